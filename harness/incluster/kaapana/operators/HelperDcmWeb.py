# mypy: disable-error-code="import-not-found,misc"
# ruff: noqa: N999  (the platform names a module like its class)
"""The way of Python operators to the archive (operators 7, 2.6)."""

from __future__ import annotations

import sys
from typing import Any


def get_dcmweb_helper(dcmweb_endpoint: str | None = None, service_account_info: Any = None) -> Any:
    """Return kaapanapy's ``HelperDcmWeb`` for the platform's own archive.

    An endpoint would be that of the extension for external archives, without which the platform's code ends the
    process; so it is here.
    """
    if dcmweb_endpoint:
        print(f"external archives are not emulated: dcmweb_endpoint={dcmweb_endpoint!r}")
        sys.exit(1)
    # not before it is called: the import needs the password of the project's user (services 5.5)
    from kaapanapy.helper.HelperDcmWeb import HelperDcmWeb

    return HelperDcmWeb()
