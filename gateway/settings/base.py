"""What the sections of the schema are made of: checked words, the base of all sections, secrets, TLS."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.settings.words import Says

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$"),
    Says("a short name of a-z, 0-9, - and _"),
]
_ADDR_SPEC = r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+$"
MailAddress = Annotated[
    str,
    StringConstraints(pattern=_ADDR_SPEC, max_length=254),
    Says("a mail address such as help@example.com"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
PasswordHash = Annotated[
    str,
    StringConstraints(pattern=r"^scrypt\$\d{1,2}\$\d{1,2}\$\d{1,2}\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+$"),
    Says("what `ticketgate check --hash-password` prints"),
]


class Model(BaseModel):
    """Base of all sections: frozen, no unknown keys, an empty value means the default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {
                key: value for key, value in given.items() if value is not None or key not in cls.model_fields
            }
        return given


class Secret(Model):
    """Where a secret is found; just one of the three."""

    file: str | None = None
    """A file that holds nothing but the secret; relative to the config folder. Not readable by others."""
    env: str | None = None
    """Name of an environment variable."""
    credential: str | None = None
    """Name of a systemd credential (`LoadCredential=`), read from $CREDENTIALS_DIRECTORY."""

    @model_validator(mode="after")
    def _just_one(self) -> Self:
        if sum(value is not None for value in (self.file, self.env, self.credential)) != 1:
            raise ValueError("give just one of file, env, credential")
        return self


class Tls(Model):
    """TLS as a client."""

    mode: Literal["implicit", "starttls", "none"] = "implicit"
    """`implicit`: TLS from the first octet. `starttls`: asked for, and required. `none`: in the clear."""
    verify: bool = True
    """Whether the peer's certificate must be valid for its host name."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's (PEM)."""
