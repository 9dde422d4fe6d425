from trimtab.testing.conformance import DomainConformance, fixture_of


class TestGrid(DomainConformance):
    subject = fixture_of("grid.microgrid", plant="plant-a", step_min=30, horizon_h=6)
    skip = (  # the domain has no controller yet, and does not keep these rules yet
        "fields_are_described",
        "references_are_among_the_controllers",
        "autoreset_restarts_in_the_same_step",
        "controllers_repeat_themselves",
        "a_controller_beats_random",
        "views_are_figures_with_texts",
        "flags_are_words",
        "import_is_quick_and_light",
    )
