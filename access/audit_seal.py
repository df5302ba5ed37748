"""Signing the heads of audit chains (Ed25519). Who checks them needs the public key only: `access.audit_verifier`."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from access.audit_verifier import head_message


class Signer:
    """Signs heads."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is 32 random bytes: the private key itself."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)

    def sign(self, chain: str, seq: int, digest: bytes) -> bytes:
        """The signature over one head."""
        return self._key.sign(head_message(chain, seq, digest))

    @property
    def public_pem(self) -> str:
        """What a verifier needs, as PEM text."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
