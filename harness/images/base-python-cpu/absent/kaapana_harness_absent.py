"""Explain imports of modules that the platform's base image has and ours lacks."""

import os
import sys

_LEFT_OUT = ("torch", "torchvision", "torchaudio", *os.environ.get("KAAPANA_HARNESS_LEFT_OUT", "").split())
_SENTENCE = (
    "No module named {name!r}: the platform's base image has it, that of the harness leaves it out. Set "
    "KAAPANA_HARNESS_TORCH_INDEX to a package index with CPU wheels of PyTorch, take an image of your site for the "
    "base (base-images in [tool.kaapana-harness]), or install it in the Dockerfile"
)


class Absent:
    """The last finder of modules: what reaches it is not installed."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """Raise ModuleNotFoundError for an import; a search for the module finds none."""
        # importlib's _find_spec calls it, which an import calls in another function than importlib.util.find_spec does
        if name in _LEFT_OUT and sys._getframe(2).f_code.co_name == "_find_and_load_unlocked":
            raise ModuleNotFoundError(_SENTENCE.format(name=name), name=name)


sys.meta_path.append(Absent)
