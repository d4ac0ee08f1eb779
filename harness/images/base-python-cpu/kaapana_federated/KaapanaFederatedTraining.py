# ruff: noqa: N999  (the platform names its modules after their classes)
"""Every name of the platform's module imports; what starts a federated training says that it is not emulated.

Which names there are is not written down anywhere (services 4.3), so any public name is answered: one in
CamelCase with a class that can be derived from but not constructed, any other with a function that returns the
function it decorates and refuses all other use.
"""

import functools
import os

assert os.getenv("SERVICES_NAMESPACE"), "SERVICES_NAMESPACE is not set"

_REFUSAL = (
    "kaapana_federated.{name}: the emulated platform has one instance and no federated runs; "
    "test the container's own part of a round by calling it with local files"
)


@functools.lru_cache(None)
def _stand_in(name):
    if name[0].isupper():

        def refuse(self, *_args, **_kwargs):
            raise NotImplementedError(_REFUSAL.format(name=name))

        return type(name, (), {"__init__": refuse, "__module__": __name__, "__doc__": "Cannot be constructed here."})

    def decorate(function=None, *args, **kwargs):
        if callable(function) and not args and not kwargs:
            return function
        raise NotImplementedError(_REFUSAL.format(name=name))

    decorate.__name__ = decorate.__qualname__ = name
    return decorate


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _stand_in(name)
