"""Tokens signed with RS256, and the key set by which others check them (services 2.3)."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.services.records import Records, Table

_KEY = "realm"


class TokenError(Exception):
    """The token was not signed by this key, is expired, or is none."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _key(kept: Table[str]) -> rsa.RSAPrivateKey:
    pem = kept.get(_KEY)
    if pem is not None:
        known = serialization.load_pem_private_key(pem.encode("ascii"), None)
        assert isinstance(known, rsa.RSAPrivateKey)
        return known
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    kept.put(_KEY, key.private_bytes(*form).decode("ascii"))
    return key


class Signer:
    """One RSA key of 2048 bits: tokens do not outlive the environment, but a restart of the services.

    Args:
        records: where the key is kept; in memory only by default.
    """

    def __init__(self, records: Records | None = None) -> None:
        self._key = _key(Table(records or Records(), "keys"))
        self._public = self._key.public_key()
        numbers = self._public.public_numbers()
        self._modulus = _encode(numbers.n.to_bytes(256, "big"))
        self._exponent = _encode(numbers.e.to_bytes(3, "big"))
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self._modulus.encode("ascii"))
        self.key_id = _encode(digest.finalize())

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        key = {"kid": self.key_id, "kty": "RSA", "alg": "RS256", "use": "sig", "n": self._modulus, "e": self._exponent}
        return {"keys": [key]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A compact JWS of the claims."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.key_id}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"

    def verify(self, token: str, *, audience: str, typ: str = "Bearer") -> dict[str, Any]:
        """The claims of a token of ours.

        Args:
            audience: must be in ``aud``.
            typ: ``Bearer`` for access tokens, ``Refresh`` for refresh tokens.

        Raises:
            TokenError: says what is wrong with it.
        """
        try:
            signed, _, signature = token.rpartition(".")
            head, _, payload = signed.partition(".")
            header = json.loads(_decode(head))
            if not isinstance(header, dict) or header.get("alg") != "RS256":
                raise TokenError("the token is not signed with RS256")
            self._public.verify(_decode(signature), signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
            claims = json.loads(_decode(payload))
        except InvalidSignature:
            raise TokenError("the token's signature is not of this realm") from None
        except (ValueError, binascii.Error, UnicodeError, RecursionError):
            raise TokenError("the token is not a JSON Web Token") from None
        if not isinstance(claims, dict) or claims.get("typ") != typ:
            raise TokenError(f"the token is not of type {typ}")
        if claims.get("exp", 0) <= time.time():
            raise TokenError("the token is expired")
        audiences = claims.get("aud")
        if audience not in (audiences if isinstance(audiences, list) else [audiences]):
            raise TokenError(f"the token is not meant for {audience!r}")
        return claims
