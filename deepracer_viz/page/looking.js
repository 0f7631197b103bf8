// Tells the server which sections of the page the window shows, asks for those that are not drawn yet, and keeps what
// the window shows where it is while sections come and go.
const PLACE = 'st-key-place-of-section-';
const WAITING = 'st-key-waiting-section-';
const EVERY = 100; // ms between two looks
const AHEAD = 1; // windows further on, in the direction in which one scrolls, for which sections are drawn beforehand
const FAR = 150; // px from where the page was drawn after which it counts as scrolled
const ENOUGH = 80; // px of a section that have to be in the window: more than its heading
const PATIENCE = 500; // ms until the same section is asked for again, then twice as long, and so on
const BUSY = 400; // ms after a key or a click in which what it does to a widget has yet to leave for the server

const find = (name) => document.querySelector(`[data-testid="${name}"]`);

const placesOf = () => [...document.querySelectorAll(`[class*="${PLACE}"]`)];

const numberOf = (place) =>
  Number([...place.classList].find((name) => name.startsWith(PLACE)).slice(PLACE.length));

const isWaiting = (place) => place.querySelector(`[class*="${WAITING}"]`) !== null;

const isDrawn = (place) => !place.querySelector(`[class*="${WAITING}"], [data-testid="stSkeleton"]`);

const atRest = () => find('stApp').dataset.testScriptState === 'notRunning';

// How far a section is below the window, or (negative) above it: 0 where the window shows enough of it.
const distanceOf = (place) => {
  const { top, bottom } = place.getBoundingClientRect();
  return Math.max(0, top + ENOUGH - window.innerHeight) || Math.min(0, bottom - ENOUGH);
};

// Where an edge of a section is on the page, wherever the page is scrolled to.
const edgeOf = (place, edge) => place.getBoundingClientRect()[edge] + find('stMain').scrollTop;

// ------------------------------------------------------------------------------------ keeping what is shown in place

function keeper() {
  const heights = new Map(); // of sections when they were drawn last (px)
  let anchor = null; // what must not move, and where it was

  // While the server draws, no section gets lower, as it would between an old chart and a new one.
  const freeze = () => {
    const places = placesOf();
    for (const place of places) place.style.minHeight ||= `${place.offsetHeight}px`;
    const shown = places.find((place) => place.getBoundingClientRect().bottom > ENOUGH);
    if (shown) anchor ??= { place: shown, edge: 'top', at: edgeOf(shown, 'top') };
  };
  // A section that is not drawn stays as high as it was; returns whether there is a new one.
  const clamp = () => {
    const waiting = placesOf().filter((place) => isWaiting(place) && !place.style.overflow);
    for (const place of waiting) {
      // Or the Tab key would go past it.
      place.tabIndex = 0;
      const height = heights.get(numberOf(place));
      place.style.minHeight = place.style.maxHeight = height ? `${height}px` : '';
      place.style.overflow = 'hidden';
    }
    return waiting.length > 0;
  };
  const release = () => {
    const free = placesOf().filter((place) => place.style.minHeight && isDrawn(place));
    // Of a section that comes to be drawn above the edge of the window, the end is what the visitor looks at.
    const first = free.find((place) => place === anchor?.place);
    if (first?.style.overflow && first.getBoundingClientRect().top < 0) {
      anchor = { place: first, edge: 'bottom', at: edgeOf(first, 'bottom') };
    }
    for (const place of free) {
      place.style.minHeight = place.style.maxHeight = place.style.overflow = '';
      place.removeAttribute('tabindex');
    }
    for (const place of placesOf().filter(isDrawn)) heights.set(numberOf(place), place.offsetHeight);
    const moved = anchor?.place.isConnected ? edgeOf(anchor.place, anchor.edge) - anchor.at : 0;
    anchor = null;
    if (Math.abs(moved) < 1) return 0;
    find('stMain').scrollTop += moved;
    return moved;
  };
  return { freeze, clamp, release };
}

// ---------------------------------------------------------------------------------------------- telling and asking

export default function ({ setStateValue }) {
  const { freeze, clamp, release } = keeper();
  let told = null;
  let asked = '';
  let times = 0; // that it was asked for
  let askedAt = 0;
  let news = true; // whether anything happened since the last look
  let drawnAt = 0; // where the page stood when it was drawn (px)
  let lastInput = -BUSY;

  const main = find('stMain');
  // The browser's own way of it takes hold of elements that are being replaced.
  main.style.overflowAnchor = 'none';
  const states = new MutationObserver(() => {
    news = true;
    if (!atRest()) freeze();
  });
  states.observe(find('stApp'), { attributeFilter: ['data-test-script-state'] });

  // A section that waits comes as a new element, or as an old one that is called otherwise.
  const waits = (node) => node.nodeType === 1 && node.matches(`[class*="${WAITING}"]`);
  const comesToWait = (node) => waits(node) || (node.nodeType === 1 && isWaiting(node));
  const sections = new MutationObserver((changes) => {
    news = true;
    if (!changes.some(({ target, addedNodes }) => waits(target) || [...addedNodes].some(comesToWait))) return;
    if (!clamp()) return;
    drawnAt = main.scrollTop;
    // The server puts choices of sections that wait back into the address when it is told something.
    told = null;
  });
  sections.observe(main, { subtree: true, childList: true, attributeFilter: ['class'] });

  const look = () => {
    if (!news || !atRest() || performance.now() - lastInput < BUSY) return;
    const places = placesOf();
    if (places.length === 0) return;
    drawnAt += release();
    const scrolled = main.scrollTop - drawnAt;
    const ahead = Math.abs(scrolled) > FAR ? Math.sign(scrolled) * AHEAD * window.innerHeight : 0;
    const around = places.map((place) => ({
      number: numberOf(place),
      distance: distanceOf(place),
      waiting: isWaiting(place),
      drawn: isDrawn(place),
    }));
    const seen = around.filter(({ distance }) => distance === 0);
    // A chart that is still to come may leave no room in the window for what stands below it.
    if (seen.some(({ waiting, drawn }) => !waiting && !drawn)) return;
    const near = around.filter(({ distance }) => distance / ahead > 0 && distance / ahead <= 1);
    near.sort((one, other) => Math.abs(one.distance) - Math.abs(other.distance));
    // Those in the window together; the others one by one, so that the next move of the visitor need not wait.
    const inWindow = seen.filter(({ waiting }) => waiting);
    const next = inWindow.length ? inWindow : near.filter(({ waiting }) => waiting).slice(0, 1);
    const ask = next.map(({ number }) => number);
    const tell = seen.map(({ number }) => number);
    if (asked !== `${ask}`) times = 0;
    news = ask.length > 0;
    const isAsking = ask.length > 0 && performance.now() - askedAt > (times && PATIENCE * 2 ** (times - 1));
    if (told === `${tell}` && !isAsking) return;
    told = `${tell}`;
    asked = `${ask}`;
    askedAt = performance.now();
    times += 1;
    // The time, for the same may have to be asked for again.
    setStateValue('looking', { seen: tell, ask, at: Date.now() });
  };
  const looking = setInterval(look, EVERY);

  const ended = new AbortController();
  const on = (names, note) => {
    for (const name of names) window.addEventListener(name, note, { capture: true, passive: true, signal: ended.signal });
  };
  on(['keydown', 'pointerdown', 'pointerup', 'input'], () => {
    lastInput = performance.now();
  });
  on(['scroll', 'resize'], () => {
    news = true;
  });

  return () => {
    clearInterval(looking);
    states.disconnect();
    sections.disconnect();
    main.style.overflowAnchor = '';
    ended.abort();
  };
}
