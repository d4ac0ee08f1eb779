"""Tokens signed with RS256, and the key set by which others check them (services 2.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import KeySet, RSAKey

from harness.incluster.services.records import Records, RecordTable

if TYPE_CHECKING:
    from joserfc.jwk import KeyParameters

_ALGORITHM = "RS256"
_NAME = "realm"


class TokenError(Exception):
    """The token was not signed by this key, is expired, or is not a token."""


def _key(kept: RecordTable[str]) -> RSAKey:
    parameters: KeyParameters = {"use": "sig", "alg": _ALGORITHM}
    pem = kept.get(_NAME)
    key: RSAKey = RSAKey.import_key(pem, parameters) if pem else RSAKey.generate_key(2048, parameters)
    if pem is None:
        kept.put(_NAME, key.as_pem(private=True).decode("ascii"))
    key.ensure_kid()
    return key


class Signer:
    """One RSA key of 2048 bits: tokens do not outlive the environment, but a restart of the services.

    Args:
        records: where the key is kept; in memory only by default.
    """

    def __init__(self, records: Records | None = None) -> None:
        self._key = _key(RecordTable(records or Records(), "keys"))

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set."""
        return {**KeySet([self._key]).as_dict(private=False)}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a compact JWS of the claims."""
        header = {"alg": _ALGORITHM, "typ": "JWT", "kid": self._key.kid}
        return jwt.encode(header, dict(claims), self._key, algorithms=[_ALGORITHM])

    def verify(self, token: str, *, audience: str, typ: str = "Bearer") -> dict[str, Any]:
        """Return the claims of a token of ours.

        Args:
            audience: must be in ``aud``.
            typ: ``Bearer`` for access tokens, ``Refresh`` for refresh tokens.

        Raises:
            TokenError: the token is not valid; the error has the reason.
        """
        try:
            claims = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except BadSignatureError:
            raise TokenError("the token's signature is not of this realm") from None
        except UnsupportedAlgorithmError:
            raise TokenError(f"the token is not signed with {_ALGORITHM}") from None
        except (JoseError, ValueError, RecursionError):
            raise TokenError("the token is not a JSON Web Token") from None
        if claims.get("typ") != typ:
            raise TokenError(f"the token is not of type {typ}")
        if claims.get("exp", 0) <= time.time():
            raise TokenError("the token is expired")
        audiences = claims.get("aud")
        if audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise TokenError(f"the token is not meant for {audience!r}")
        return claims
