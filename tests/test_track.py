"""Tracks: route files, rebuilding from steps, corners and straights."""

import io
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz.logs.errors import LogError
from deepracer_viz.track import MIN_SEEN_WAYPOINTS, Track, load_track, rebuild_track, track_for

OVAL = (("straight", 3), ("left", 1.5, 180), ("straight", 6), ("left", 1.5, 180), ("straight", 3))
# a loop to the left with a chicane, whose last straight leads back to the start
LOOP = (
    *(("straight", 6), ("left", 1.2, 180), ("straight", 2), ("right", 1.5, 60), ("straight", 2)),
    *(("left", 1.5, 60), ("straight", 2.5), ("left", 1.5, 90), ("straight", 2.6321), ("left", 1.5, 90)),
    ("straight", 2.0981),
)


def path(pieces, spacing=0.2):
    """Points along straights and arcs, from the origin towards +x."""
    points, at, heading = [0j], 0j, 0.0
    for kind, size, *angle in pieces:
        turn = np.radians(angle[0]) * (1 if kind == "left" else -1) if angle else 0.0
        count = max(1, round((size if kind == "straight" else size * abs(turn)) / spacing))
        part = np.arange(1, count + 1) / count
        if kind == "straight":
            way = size * part * np.exp(1j * heading)
        else:
            centre = 1j * np.sign(turn) * size * np.exp(1j * heading)
            way = centre - centre * np.exp(1j * turn * part)
        points.extend(at + way)
        at, heading = points[-1], heading + turn
    return np.stack([np.real(points), np.imag(points)], axis=1)


def ring(radius=3.0, count=100, clockwise=False):
    angle = np.linspace(0, -2 * np.pi if clockwise else 2 * np.pi, count + 1)
    centre = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centre[-1] = centre[0]
    return centre


def route_of(centre, width=1.0):
    """Array of a route file: centre, inner and outer border."""
    tangent = np.gradient(centre @ [1, 1j])
    left = 1j * tangent / np.abs(tangent) * width / 2
    side = np.stack([left.real, left.imag], axis=1)
    return np.hstack([centre, centre + side, centre - side])


def npy(array, name="some_track.npy"):
    file = io.BytesIO()
    np.save(file, array)
    file.seek(0)
    file.name = name
    return file


def track(centre) -> Track:
    return load_track(npy(centre))


def drive(centre, episodes=40, laps=1.0, swerve=0.2, every=0.1, closed=True, seed=1):
    """Steps of episodes that start on the centre-line, all round the track, and swerve about it."""
    rng = np.random.default_rng(seed)
    spans = np.hypot(*np.diff(centre, axis=0).T)
    at_waypoint = np.append(0, np.cumsum(spans))
    length = at_waypoint[-1]
    tables = []
    for episode in range(episodes):
        begin = length * (episode % 20) / 20 if closed else 0.0
        along = np.concatenate([[0, 0], np.arange(every, laps * length, every)])
        offset = swerve * rng.uniform(0.5, 1) * np.sin(rng.uniform(0, 7) + along * rng.uniform(0.3, 1.5))
        offset[:2] = 0
        where = (begin + along) % length if closed else begin + along

        def point(distance):
            return np.interp(distance, at_waypoint, centre @ [1, 1j])

        heading = np.angle(point(np.minimum(where + 1e-4, length)) - point(np.maximum(where - 1e-4, 0)))
        origin = point(where)
        # the front of the car is what the log gives, 0.14 m ahead of where an episode is started
        front = np.where(along == 0, origin + 0.14 * np.exp(1j * heading), origin)
        front = front + 1j * np.exp(1j * heading) * offset
        ahead = np.where(along == 0, where + 0.14, where) % (length if closed else np.inf)
        nearest = np.abs(ahead[:, None] - at_waypoint).argmin(axis=1)
        tables.append(
            pd.DataFrame(
                {
                    "unique_episode": episode,
                    "steps": np.arange(1, len(along) + 1),
                    "x": front.real.astype("float32"),
                    "y": front.imag.astype("float32"),
                    "yaw": np.degrees(heading).astype("float32"),
                    "on_track": True,
                    "closest_waypoint": nearest.astype("int32"),
                    "track_len": np.float32(length),
                    "episode_status": ["prepare"] + ["in_progress"] * (len(along) - 1),
                }
            )
        )
    return pd.concat(tables, ignore_index=True).astype({"episode_status": "category"})


def loop():
    centre = path(LOOP)
    centre[-1] = centre[0]
    return centre


def kinds(some):
    sign = {"corner": {True: "L", False: "R"}, "straight": {True: "-", False: "-"}}
    return "".join(
        sign[kind][turn > 0] for kind, turn in zip(some.sections.kind, some.sections.turn, strict=True)
    )


def assert_tiled(some):
    """Every waypoint in exactly one section, the lengths sum to the whole, names in order of driving."""
    table, count = some.sections, len(some.center)
    found = []
    for row in table.itertuples():
        stop = row.waypoint_to + (count if row.waypoint_from > row.waypoint_to else 0)
        mine = np.arange(row.waypoint_from, stop + 1) % count
        found.extend(mine)
        assert (some.section_of(mine) == row.section).all()
    assert sorted(found) == list(range(count))
    assert table.length.sum() == pytest.approx(some.length)
    assert np.allclose((table.end - table.start) % some.length, table.length % some.length, atol=1e-6)
    for letter, kind in (("T", "corner"), ("S", "straight")):
        names = table.section[table.kind == kind].tolist()
        assert names == [f"{letter}{number}" for number in range(1, len(names) + 1)]
    assert np.isfinite(some.curvature).all()
    assert np.isfinite(table[["start", "end", "length", "turn"]].to_numpy()).all()


# Route files


def test_a_route_file_is_read_from_a_path_and_from_an_upload(tmp_path):
    array = route_of(ring())
    np.save(tmp_path / "my_track.npy", array)
    from_path = load_track(tmp_path / "my_track.npy")
    upload = npy(array, "my_track.npy")
    upload.read()  # a page reads its uploads again and again
    for some in (from_path, load_track(str(tmp_path / "my_track.npy")), load_track(upload)):
        assert some.name == "my_track"
        assert (some.source, some.approximate, some.closed) == ("route file", False, True)
        np.testing.assert_array_equal(some.center, array[:, :2])
        np.testing.assert_array_equal(some.inner, array[:, 2:4])
        np.testing.assert_array_equal(some.outer, array[:, 4:])


def test_a_route_of_two_columns_has_no_borders():
    some = track(ring())
    assert some.inner is None
    assert some.outer is None
    assert set(some.outline().line) == {"centre"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", ">f8"])
def test_any_plain_number_type_and_order_is_read(dtype):
    array = (route_of(ring()) * 100).astype(dtype) / (1 if dtype == "int64" else 100)
    array = np.asfortranarray(array)
    assert len(load_track(npy(array)).center) == len(array)


def large_header():
    """A file of a hundred bytes that claims a petabyte."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**14, 6)})
    return file.getvalue()


class Bomb:
    """Would fail the test as soon as it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


REFUSED = {
    "objects": (npy(np.array([[Bomb()] * 6] * 5)).getvalue(), "object"),
    "a bare pickle": (pickle.dumps(Bomb()), "not a NumPy"),
    "words": (npy(np.array([["a"] * 6] * 5)).getvalue(), "str"),
    "complex numbers": (npy(np.ones((5, 6)) * 1j).getvalue(), "complex"),
    "three columns": (npy(np.ones((5, 3))).getvalue(), "5 x 3"),
    "one dimension": (npy(np.ones(12)).getvalue(), "12"),
    "a single value": (npy(np.float64(1)).getvalue(), "single value"),
    "two rows": (npy(np.ones((2, 6))).getvalue(), "2 x 6"),
    "too many rows": (npy(np.ones((10_001, 2))).getvalue(), "10001 x 2"),
    "a gap": (npy(np.where(np.arange(101)[:, None] == 7, np.nan, ring())).getvalue(), "point 7"),
    "infinity": (npy(np.where(np.arange(101)[:, None] == 7, np.inf, ring())).getvalue(), "point 7"),
    "one place": (npy(np.ones((5, 6))).getvalue(), "three different points"),
    "centimetres of a toy": (npy(ring() / 100).getvalue(), "in metres"),
    "degrees of a map": (npy(ring() * 1e6).getvalue(), "in metres"),
    "nothing": (b"", "not a NumPy"),
    "text": (b"SIM_TRACE_LOG:0,1,2\n", "not a NumPy"),
    "a cut file": (npy(ring()).getvalue()[:-9], "not a NumPy"),
    "a cut header": (npy(ring()).getvalue()[:40], "not a NumPy"),
    "an archive": (b"PK\x03\x04" + bytes(200), "not a NumPy"),
    "a false claim": (large_header(), "3 to 10,000 rows"),
    "a large file": (npy(np.ones((400_000, 6))).getvalue(), "too large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_route_is_refused_with_name_and_advice(case, tmp_path):
    data, reason = REFUSED[case]
    (tmp_path / "odd.npy").write_bytes(data)
    upload = io.BytesIO(data)
    upload.name = "odd.npy"
    for source in (tmp_path / "odd.npy", upload):
        with pytest.raises(LogError, match="route file of the track") as caught:
            load_track(source)
        assert "odd.npy" in str(caught.value)
        assert reason in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LogError, match=r"gone\.npy could not be opened"):
        load_track(tmp_path / "gone.npy")


# Curvature and sections


@pytest.mark.parametrize(("clockwise", "sign"), [(False, 1), (True, -1)])
@pytest.mark.parametrize("count", [40, 100, 400])
def test_a_circle_has_curvature_one_over_its_radius(clockwise, sign, count):
    some = track(ring(2.5, count, clockwise))
    np.testing.assert_allclose(some.curvature, sign / 2.5, rtol=0.02)
    assert some.sections.section.tolist() == ["T1"]
    assert some.sections.turn[0] == pytest.approx(sign * 360, abs=0.1)
    assert_tiled(some)


def test_curvature_does_not_depend_on_the_spacing_of_waypoints():
    angle = np.linspace(0, 2 * np.pi, 121) + np.random.default_rng(5).uniform(-0.02, 0.02, 121)
    angle[-1] = angle[0] + 2 * np.pi
    some = track(3 * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    assert np.diff(some.distance).max() > 3 * np.diff(some.distance).min()
    np.testing.assert_allclose(some.curvature, 1 / 3, rtol=0.05)


def test_an_oval_has_two_corners_and_two_straights():
    some = track(path(OVAL))
    table = some.sections.set_index("section")
    assert table.index.tolist() == ["S1", "T1", "S2", "T2"]  # the straight over the start line comes first
    assert table.waypoint_from["S1"] > table.waypoint_to["S1"]
    assert table.start["S1"] > table.end["S1"]
    np.testing.assert_allclose(table.length, [6, 1.5 * np.pi, 6, 1.5 * np.pi], atol=0.8)
    np.testing.assert_allclose(table.turn, [0, 180, 0, 180], atol=8)
    assert table.turn.sum() == pytest.approx(360, abs=0.1)
    middle = some.curvature[some.section_of(np.arange(len(some.center))) == "S2"][4:-4]
    np.testing.assert_allclose(middle, 0, atol=0.02)
    assert some.length == pytest.approx(12 + 3 * np.pi, abs=0.02)
    assert_tiled(some)


def test_a_start_line_in_a_corner_leaves_that_corner_whole():
    centre = path(OVAL)[:-1]
    some = track(np.vstack([np.roll(centre, -20, axis=0), np.roll(centre, -20, axis=0)[:1]]))
    assert some.sections.section.tolist() == ["S1", "T1", "S2", "T2"]
    last = some.sections.iloc[-1]
    assert last.waypoint_from > last.waypoint_to
    assert last.turn == pytest.approx(180, abs=8)
    assert_tiled(some)


@pytest.mark.parametrize(
    ("between", "second", "expected"),
    [
        (2.5, "left", "-L-L-"),
        (0.4, "left", "-L-"),
        (2.5, "right", "-L-R-"),
        (0.4, "right", "-LR-"),
    ],
)
def test_a_short_straight_joins_corners_of_one_direction_and_parts_others(between, second, expected):
    pieces = (("straight", 4), ("left", 1, 90), ("straight", between), (second, 1, 90), ("straight", 4))
    some = track(path(pieces))
    assert not some.closed
    assert kinds(some) == expected
    assert_tiled(some)


@pytest.mark.parametrize("angle", [3, 8, 12])
def test_a_slight_kink_is_no_corner(angle):
    some = track(path((("straight", 5), ("left", 2, angle), ("straight", 5)), spacing=0.1))
    assert kinds(some) == "-"


def test_a_wide_bend_is_a_straight_and_a_tight_one_a_corner():
    assert kinds(track(path((("straight", 5), ("left", 9, 60), ("straight", 5))))) == "-"
    assert kinds(track(path((("straight", 5), ("left", 2, 60), ("straight", 5))))) == "-L-"


def test_a_straight_track_is_one_open_straight():
    some = track(np.stack([np.linspace(0, 20, 22), np.zeros(22)], axis=1))
    assert not some.closed
    assert some.sections.section.tolist() == ["S1"]
    assert some.length == pytest.approx(20)
    np.testing.assert_allclose(some.curvature, 0, atol=1e-9)
    assert_tiled(some)


def test_three_waypoints_are_a_track():
    some = track(np.array([[0, 0], [4, 0], [4, 3.0]]))
    assert not some.closed
    assert some.length == pytest.approx(7)
    assert_tiled(some)


def test_a_loop_without_its_closing_point_is_closed():
    whole, cut = track(ring(2, 80)), track(ring(2, 80)[:-1])
    assert cut.closed
    assert cut.length == pytest.approx(whole.length)
    np.testing.assert_allclose(cut.curvature, whole.curvature[:-1], rtol=1e-3)
    assert_tiled(cut)


def test_a_doubled_waypoint_changes_no_place():
    centre = loop()
    doubled = np.insert(centre, 17, centre[17], axis=0)
    plain, some = track(centre), track(doubled)
    np.testing.assert_allclose(some.curvature, np.insert(plain.curvature, 17, plain.curvature[17]), atol=1e-9)
    np.testing.assert_allclose(
        some.sections[["start", "end", "turn"]], plain.sections[["start", "end", "turn"]]
    )
    assert_tiled(some)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-0.45, 0.45), min_size=4, max_size=12),
    st.integers(12, 300),
    st.floats(4, 40),
    st.booleans(),
)
def test_sections_tile_any_track(waves, count, size, closing):
    angle = np.linspace(0, 2 * np.pi, count + 1)[: None if closing else -1]
    # waves this small keep the radius positive nearly always; a track that crosses itself must do as well
    radius = 1 + sum(wave / (k + 2) * np.cos((k + 1) * angle + wave) for k, wave in enumerate(waves))
    centre = size / 6 * radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if closing:
        centre[-1] = centre[0]
    assert_tiled(track(centre))


def test_section_of_answers_empty_for_what_is_no_waypoint():
    some = track(path(OVAL))
    answer = some.section_of([0, -1, len(some.center), 10**9, np.nan, len(some.center) // 2])
    assert answer.tolist() == ["S1", "", "", "", "", "S2"]
    assert some.section_of(np.array([], dtype="int32")).tolist() == []
    assert some.section_of(pd.Series([0, 0], index=[7, 9])).tolist() == ["S1", "S1"]


# Places on the track


@pytest.mark.parametrize("clockwise", [False, True])
def test_position_on_a_circle(clockwise):
    some = track(ring(3, 200, clockwise))
    turn = np.random.default_rng(2).uniform(0, 2 * np.pi, 500)
    out = np.random.default_rng(3).uniform(-0.5, 0.5, 500)
    angle = -turn if clockwise else turn
    x, y = (3 + out) * np.cos(angle), (3 + out) * np.sin(angle)
    near = np.round(turn / (2 * np.pi) * 200).astype(int)
    along, offset = some.position(x, y, near)
    np.testing.assert_allclose(along, 3 * turn, atol=0.02)
    np.testing.assert_allclose(
        offset, out if clockwise else -out, atol=0.01
    )  # outside is right, turning left
    # the closing waypoint and the first one are the same place
    first = some.position(x, y, np.where(near == 200, 0, near))
    np.testing.assert_allclose(first[0] % some.length, along % some.length, atol=1e-6)


def test_position_bears_numbers_that_are_one_off():
    some = track(ring(3, 200))
    along = some.position([0, 0], [3, 3], [50, 51])[0]
    assert along[0] == pytest.approx(along[1])


def test_position_tells_parallel_stretches_apart():
    some = track(path(OVAL))
    near_start = some.position(1.0, 1.5, 5)[0]
    opposite = some.position(1.0, 1.5, len(some.center) // 2)[0]
    assert abs(near_start - opposite) > 5


def test_position_is_nan_where_the_waypoint_is_unknown():
    some = track(ring())
    along, offset = some.position([3, 3, np.nan], [0, 0, 0], [-1, 10**6, 0])
    assert np.isnan(along).all()
    assert np.isnan(offset).all()


def test_position_on_a_doubled_waypoint():
    centre = np.insert(ring(), 17, ring()[17], axis=0)
    some = track(centre)
    x, y = centre[[17, 18]].T * 1.1
    along, offset = some.position(x, y, [17, 18])
    np.testing.assert_allclose(along, some.distance[17], atol=1e-6)
    np.testing.assert_allclose(offset, -0.3, atol=0.01)


def test_outline_draws_closed_lines():
    some = load_track(npy(route_of(ring(3, 100)[:-1])))
    lines = some.outline()
    assert lines.columns.tolist() == ["x", "y", "line", "waypoint", "point"]
    for _, line in lines.groupby("line"):
        assert line.point.tolist() == list(range(100 + 1))
        assert line[["x", "y"]].iloc[0].tolist() == line[["x", "y"]].iloc[-1].tolist()
    assert set(lines.line) == {"inner", "outer", "centre"}


def test_outline_is_thinned():
    assert len(track(ring(30, 9000)).outline(max_points=500)) <= 501


# Rebuilt from steps


def test_a_rebuilt_track_lies_on_the_driven_one():
    route = track(loop())
    some = rebuild_track(drive(loop()))
    assert (some.source, some.approximate, some.closed) == ("rebuilt from steps", True, True)
    assert some.inner is None
    assert some.outer is None
    assert some.length == pytest.approx(route.length, rel=1e-6)
    _, offset = route.position(*some.center.T, np.arange(len(some.center)))
    assert np.median(np.abs(offset)) < 0.015
    assert np.abs(offset).max() < 0.06
    assert kinds(some) == kinds(route)
    waypoints = np.arange(len(some.center))
    assert (some.section_of(waypoints) == route.section_of(waypoints)).mean() > 0.9
    assert_tiled(some)


def test_starts_on_the_centre_line_mend_a_racing_line_beside_it():
    route = track(loop())
    steps = drive(loop(), episodes=60)
    heading = np.radians(steps.yaw)
    beside = steps.assign(
        x=np.where(steps.steps > 2, steps.x - 0.15 * np.sin(heading), steps.x),
        y=np.where(steps.steps > 2, steps.y + 0.15 * np.cos(heading), steps.y),
    )
    _, offset = route.position(*rebuild_track(beside).center.T, np.arange(len(route.center)))
    assert np.median(np.abs(offset)) < 0.06
    # where every episode begins in mid-drive there is no start to go by
    moving = beside.assign(steps=beside.steps + 100)
    _, offset = route.position(*rebuild_track(moving).center.T, np.arange(len(route.center)))
    assert np.median(offset) == pytest.approx(0.15, abs=0.03)


def far_away(steps, rows):
    """The rows with the pose of another place of the track."""
    moved = steps.copy()
    moved.loc[rows, ["x", "y"]] = np.float32(5.0)
    moved.loc[rows, "closest_waypoint"] = np.int32(30)
    return moved


def test_stale_first_rows_pauses_and_rows_off_the_track_do_not_move_it():
    steps = drive(loop())
    plain = rebuild_track(steps).center
    stale = far_away(steps, steps.index[(steps.steps == 1) & (steps.unique_episode % 3 == 0)])
    # starts that are not told do not pull; with forty of them the rest still do
    np.testing.assert_allclose(rebuild_track(stale).center, plain, atol=0.02)

    middle = steps.index[steps.steps == 50]
    off = far_away(steps, middle).assign(on_track=lambda t: ~t.index.isin(middle))
    without = rebuild_track(steps.assign(on_track=off.on_track)).center
    np.testing.assert_array_equal(rebuild_track(off).center, without)

    status = steps.episode_status.astype(str).where(~steps.index.isin(middle), "pause").astype("category")
    paused = far_away(steps, middle).assign(episode_status=status)
    without = rebuild_track(steps.assign(episode_status=status)).center
    np.testing.assert_array_equal(rebuild_track(paused).center, without)


def test_logs_without_a_status_are_rebuilt():
    steps = drive(loop())
    steps["episode_status"] = pd.Categorical([np.nan] * len(steps))
    assert rebuild_track(steps).center.shape == loop().shape


def test_few_unseen_waypoints_are_filled_and_many_stay_unknown():
    route = track(loop())
    steps = drive(loop())
    waypoint = steps.closest_waypoint
    some = rebuild_track(steps[~waypoint.between(40, 42)])
    assert np.isfinite(some.center).all()
    _, offset = route.position(*some.center[40:43].T, [40, 41, 42])
    assert np.abs(offset).max() < 0.1

    some, sentence = track_for(steps[~waypoint.between(40, 60)])
    assert np.isnan(some.center[40:61]).all()
    assert np.isnan(some.curvature[40:61]).all()
    assert np.isfinite(some.center[:40]).all()
    assert (some.section_of(range(40, 61)) == "").all()
    assert (some.section_of([0, 39, 61, 90]) != "").all()
    assert np.isfinite(some.curvature[[39, 61]]).all()
    gap = some.distance[61] - some.distance[39]
    assert some.sections.length.sum() == pytest.approx(some.length - gap, abs=0.2)
    assert some.length == pytest.approx(route.length, rel=1e-6)
    assert some.distance[70] == pytest.approx(route.distance[70], abs=0.5)
    assert np.isfinite(some.distance).all()
    assert "21 waypoints are missing" in sentence
    along, offset = some.position([0.0], [0.0], [50])
    assert np.isnan(along).all()
    assert np.isnan(offset).all()
    assert some.outline().x.isna().sum() == 21


def test_a_track_driven_in_part_is_known_in_part():
    steps = drive(loop(), laps=0.3)
    steps = steps[steps.unique_episode % 20 == 0]
    some, sentence = track_for(steps)
    assert not some.closed
    assert len(some.center) == steps.closest_waypoint.max() + 1
    assert some.length == pytest.approx(track(loop()).length, rel=1e-6)
    assert some.sections.length.sum() == pytest.approx(some.distance[-1])
    assert "It ends where the car got to" in sentence


def test_the_closing_waypoint_may_be_missing():
    steps = drive(loop())
    last = steps.closest_waypoint.max()
    some = rebuild_track(steps[steps.closest_waypoint < last - 1])
    assert some.closed
    assert len(some.center) == last - 1
    assert_tiled(some)


@pytest.mark.parametrize("count", [0, 1, 3, MIN_SEEN_WAYPOINTS - 1])
def test_too_few_waypoints_rebuild_nothing_and_say_so(count):
    steps = drive(loop())
    few = steps[steps.closest_waypoint.between(10, 9 + count)]
    assert rebuild_track(few) is None
    some, sentence = track_for(few)
    assert some is None
    assert f"{count} waypoints" in sentence
    assert f"at least {MIN_SEEN_WAYPOINTS}" in sentence


def test_a_few_waypoints_rebuild_a_short_piece():
    steps = drive(loop())
    some = rebuild_track(steps[steps.closest_waypoint.between(10, 20)])
    assert np.isfinite(some.center[10:21]).all()
    assert np.isnan(some.center[:10]).all()
    assert some.sections[["section", "waypoint_from", "waypoint_to"]].values.tolist() == [["S1", 10, 20]]


def test_a_car_that_never_moved_rebuilds_nothing():
    steps = drive(loop()).assign(x=np.float32(1), y=np.float32(1))
    assert rebuild_track(steps) is None


def test_an_unknown_track_length_is_taken_from_the_driven_points():
    some = rebuild_track(drive(loop()).assign(track_len=np.float32(np.nan)))
    assert some.length == pytest.approx(track(loop()).length, rel=0.03)


# The choice between route file and steps


def test_a_fitting_route_is_taken_as_it_is():
    route = track(loop())
    some, sentence = track_for(drive(loop()), route)
    assert some is route
    assert sentence.startswith("Track file some_track: it fits, driven points are 0.")


def test_without_a_route_the_track_is_rebuilt():
    some, sentence = track_for(drive(loop()))
    assert some.approximate
    assert sentence.startswith("No track file was given. The track was rebuilt from ")
    assert "borders are unknown" in sentence


def test_a_route_of_another_track_is_refused_with_the_figures():
    some, sentence = track_for(drive(loop()), track(ring(3, 100)))
    assert some.approximate
    length = track(loop()).length
    assert "it has 101 points and is 18.85 m long" in sentence
    assert f"the log's track is {length:.2f} m with waypoints up to {len(loop()) - 1}" in sentence
    assert "The track was rebuilt from" in sentence


def test_a_route_of_the_same_length_elsewhere_is_refused():
    some, sentence = track_for(drive(loop()), track(loop() + 4))
    assert some.approximate
    assert "of the driven points lie on the road" in sentence


def test_a_route_with_fewer_points_than_the_log_is_refused():
    sparse = track(loop()[::2])
    some, sentence = track_for(drive(loop()), sparse)
    assert some.approximate
    assert f"it has {len(sparse.center)} points" in sentence


def test_a_route_in_the_other_direction_is_turned_round():
    route = load_track(npy(route_of(loop()[::-1])))
    some, sentence = track_for(drive(loop()), route)
    assert not some.approximate
    assert "driven in reverse" in sentence
    np.testing.assert_allclose(some.center, loop())
    np.testing.assert_allclose(some.inner, route.inner[::-1])
    np.testing.assert_allclose(some.curvature, -route.curvature[::-1], atol=1e-9)
    assert kinds(some) == kinds(track(loop()))


def test_doubled_waypoints_count_or_not_as_the_log_says():
    doubled = track(np.insert(loop(), 17, loop()[17], axis=0))
    steps = drive(loop())
    some, sentence = track_for(steps, doubled)
    np.testing.assert_allclose(some.center, loop())
    assert "without the doubled points" in sentence

    counted = steps.assign(closest_waypoint=steps.closest_waypoint + (steps.closest_waypoint >= 17))
    some, sentence = track_for(counted, doubled)
    assert some is doubled
    assert "without" not in sentence


def test_waypoint_numbers_that_are_off_are_told():
    centre = loop()[:-1]
    shifted = np.roll(centre, 1, axis=0)
    some, sentence = track_for(drive(loop()), track(np.vstack([shifted, shifted[:1]])))
    assert not some.approximate
    assert "about 1 above the log's" in sentence


def both_ways():
    there, back = drive(loop(), seed=1), drive(loop()[::-1], seed=2)
    back["unique_episode"] += 40
    return pd.concat([there, back], ignore_index=True).astype({"episode_status": "category"})


def test_a_log_driven_both_ways_is_told():
    some, sentence = track_for(both_ways(), track(loop()))
    assert not some.approximate
    assert "driven both ways" in sentence
    assert "it fits 5" in sentence  # half of the points, and the few near the places that have one number


def test_a_log_driven_both_ways_rebuilds_nothing():
    assert rebuild_track(both_ways()) is None
    some, sentence = track_for(both_ways())
    assert some is None
    assert "contradict each other" in sentence


def test_a_route_that_cannot_be_checked_is_taken_and_told():
    route = track(loop())
    some, sentence = track_for(drive(loop()).iloc[:0], route)
    assert some is route
    assert "could not be checked" in sentence


# Real routes and logs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reinvent_base_2020", "-LRL-L"),
        ("reinvent_base", "-LRL-L"),
        ("Spain_track", "-RLR-RL-R-LR-RLR"),
        ("2022_reinvent_champ", "-LR-LRLRLR"),
        ("2022_september_pro_ccw", "-LR-L-L-R-L-L-R-L-L-L"),
    ],
)
def test_sections_of_real_routes(real_tracks, name, expected):
    some = load_track(real_tracks / f"{name}.npy")
    assert some.closed
    assert kinds(some) == expected
    assert some.sections.section[0] == "S1"
    assert_tiled(some)


def simtrace(folder):
    """Training steps of a folder of CSV files, with the few columns that a track needs."""
    table = pd.concat(
        [pd.read_csv(file) for file in sorted(folder.glob("*-iteration.csv"))], ignore_index=True
    ).rename(columns={"X": "x", "Y": "y", "all_wheels_on_track": "on_track"})
    table["unique_episode"] = table.episode
    table = table.astype({"closest_waypoint": "int32", "steps": "int32", "episode_status": "category"})
    return table.sort_values(["unique_episode", "steps"], ignore_index=True)


def test_a_real_log_is_rebuilt_to_centimetres(real_logs, real_tracks):
    steps = simtrace(real_logs / "drfc-one-worker" / "training-simtrace")
    route = load_track(real_tracks / "reinvent_base.npy")
    assert track_for(steps, route)[0] is route
    assert track_for(steps, load_track(real_tracks / "reinvent_base_2020.npy"))[0].approximate
    some = rebuild_track(steps)
    assert some.center.shape == (119, 2)
    _, offset = route.position(*some.center.T, np.arange(119))
    assert np.median(np.abs(offset)) < 0.015
    assert np.quantile(np.abs(offset), 0.9) < 0.03
    waypoints = np.arange(119)
    assert (some.section_of(waypoints) == route.section_of(waypoints)).mean() > 0.95


def test_the_doubled_row_of_a_real_route(real_tracks):
    route = load_track(real_tracks / "Spain_track.npy")
    assert np.isfinite(route.curvature).all()
    assert (route.center[17] == route.center[16]).all() or (route.center[17] == route.center[18]).all()
    sanitized = np.delete(route.center, 18 if (route.center[17] == route.center[18]).all() else 17, axis=0)
    some, sentence = track_for(drive(sanitized, episodes=20), route)
    assert "without the doubled points" in sentence
    np.testing.assert_allclose(some.center, sanitized)
