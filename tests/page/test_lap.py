"""Which drive the section on one drive turns to."""

from tests.test_page import metric, open_page, said


def test_another_model_shows_its_own_fastest_lap():
    page = open_page()
    page.number_input(key="drive").set_value(42).run()
    page.selectbox(key="model").set_value("steady-and-slow (sample)").run()
    assert not page.exception
    assert "the fastest of the chosen ones" in said(page)
    fastest = page.number_input(key="drive").value
    page.number_input(key="drive").set_value(fastest - 1).run()
    assert page.number_input(key="drive").value == fastest - 1
    assert f"Drive {fastest - 1} of" in said(page)
    assert metric(page, "Fastest lap")
