from trimtab.testing.conformance import DomainConformance, fixture_of


class TestGrid(DomainConformance):
    subject = fixture_of("grid.microgrid", plant="plant-a", step_min=5, horizon_h=2)
    skip = (  # rules the domain does not keep yet
        "fields_are_described",
        "references_are_among_the_controllers",
        "controllers_repeat_themselves",
        "a_controller_beats_random",
        "views_are_figures_with_texts",
        "flags_are_words",
        "import_is_quick_and_light",
    )
