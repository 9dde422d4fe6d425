"""The batch front door: one file per command family; heavy libraries load inside commands."""


def main() -> None:
    """Run the command line; the console script and `python -m trimtab.cli` call this."""
    import gc
    import os

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them takes 20 ms
    gc.set_threshold(50_000, 20, 50)  # imports make many objects and no garbage
    from trimtab.cli.app import app

    app(prog_name="trimtab")
