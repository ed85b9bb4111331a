"""The library's functions and classes as pages, from their docstrings: ``make docs`` writes them to ``docs/api``."""

import sys
from pathlib import Path

import pdoc

import audioclust

# What a user imports; the other rooms are the pipeline's own.
ROOMS = ("methods", "pretext", "encoders", "reducers", "clusterers", "separation", "views", "points")


def main(out: Path) -> None:
    for name in audioclust.__all__:
        vars(audioclust)[name] = getattr(audioclust, name)  # pdoc looks at what is imported
    pdoc.render.configure(docformat="google", footer_text="audioclust", show_source=False)
    pdoc.pdoc("audioclust", *(f"audioclust.{room}" for room in ROOMS), output_directory=out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
