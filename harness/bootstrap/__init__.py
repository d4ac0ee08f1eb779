"""From a bare machine to a running test: ``python3 -m harness.bootstrap scenarios`` or ``tests``.

Standard library only; the machine may have nothing but Python 3.10 or newer. It makes a private virtual
environment below ``.tox`` with tox in it, sets the machine up (``harness.doctor``), and runs
``tox -e scenarios`` (or ``tests``). Results of earlier calls are reused.
"""
