// Tells the server the number of the section of which the window shows most, a moment after the page was scrolled.
const PLACE = 'st-key-place-of-section-';
const PAUSE = 250;

const numberOf = (place) => [...place.classList].find((name) => name.startsWith(PLACE)).slice(PLACE.length);

const heightShown = (place) => {
  const { top, bottom } = place.getBoundingClientRect();
  return Math.min(bottom, window.innerHeight) - Math.max(top, 0);
};

export default function ({ setStateValue }) {
  let told = null;
  let waiting = null;
  const tell = () => {
    let most = 0;
    let seen = told;
    for (const place of document.querySelectorAll(`[class*="${PLACE}"]`)) {
      const height = heightShown(place);
      if (height > most) [most, seen] = [height, numberOf(place)];
    }
    if (seen !== told) setStateValue('section', (told = seen));
  };
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(tell, PAUSE);
  };
  // The page scrolls inside an element of Streamlit's, whose events do not rise to the document.
  document.addEventListener('scroll', later, { capture: true, passive: true });
  return () => {
    clearTimeout(waiting);
    document.removeEventListener('scroll', later, { capture: true });
  };
}
