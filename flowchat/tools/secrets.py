"""Where keys usually lie in a home folder: what a confined command finds empty."""

from collections.abc import Sequence
from pathlib import Path

_IN_HOME = (
    *(".ssh", ".aws", ".gnupg", ".azure", ".kube", ".docker", ".password-store", ".terraform.d", ".mozilla"),
    *(".config/gcloud", ".config/gh", ".config/hub", ".config/op", ".config/rclone", ".config/google-chrome"),
    *(".config/chromium", ".local/share/keyrings", ".local/share/python_keyring"),
    *(".netrc", ".git-credentials", ".config/git/credentials", ".pypirc", ".npmrc", ".pgpass", ".my.cnf", ".vault-token"),
    *(".cargo/credentials", ".cargo/credentials.toml", ".bash_history", ".zsh_history", ".python_history"),
)
_ELSEWHERE = ("/run/secrets", "/var/run/secrets", "/run/user", "/run/initctl")
"""Beside keys, pipes with a name: a file system that nothing can be written to still lets one be written into."""


def hidden_of(homes: Sequence[Path], more: Sequence[Path] = ()) -> tuple[Path, ...]:
    """What is hidden, without links in it; what lies in another is not named twice."""
    found = {path.resolve() for path in (*(home / name for home in homes for name in _IN_HOME), *map(Path, _ELSEWHERE), *more)}
    return tuple(sorted(path for path in found if not found.intersection(path.parents)))
