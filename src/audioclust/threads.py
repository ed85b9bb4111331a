"""One thread for what must give the same bytes on any number of cores: a float sum depends on how it is split."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _libraries(modules: tuple[str, ...]) -> ThreadpoolController:
    """Return the libraries that are loaded; looked for anew, which takes milliseconds, when there are other modules."""
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep BLAS, OpenMP and, where it is loaded, torch to one thread."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with _libraries(tuple(sys.modules)).limit(limits=1):
        try:
            if torch:
                torch.set_num_threads(1)
            yield
        finally:
            if torch:
                torch.set_num_threads(before)
