"""What a program we start knows of ours: an allow-list of variables, so that no key ever gets out."""

import os
from collections.abc import Mapping

_CATEGORIES = ("ALL", "COLLATE", "CTYPE", "MESSAGES", "MONETARY", "NUMERIC", "TIME", "ADDRESS", "MEASUREMENT", "NAME", "PAPER")
_TOOLCHAINS = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYENV_ROOT",
    "NVM_DIR",
    "JAVA_HOME",
    "GOPATH",
    "GOROOT",
    "CARGO_HOME",
    "RUSTUP_HOME",
)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
PASSED = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
        *(f"LC_{category}" for category in _CATEGORIES),
        *_TOOLCHAINS,
        *_CERTIFICATES,
        *_PROXIES,
        *(name.lower() for name in _PROXIES),
    }
)
"""Names, never patterns: `LC_*` would let LC_API_KEY through."""
READ_BY_LIBRARIES = frozenset(
    {"LD_LIBRARY_PATH", "LD_PRELOAD", "LOCPATH", "OPENSSL_CONF", "RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES"}
)
"""Names the C library and what stands on it may ask for at any time."""
FIXED = {
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MANPAGER": "cat",
    "GIT_EDITOR": "true",
    "GIT_TERMINAL_PROMPT": "0",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Nobody is there to answer, to page or to look at colours."""
ATTENDED = frozenset(
    {
        *("TERM", "COLORTERM", "TERMINFO", "TERMINFO_DIRS", "TERM_PROGRAM", "TMUX", "STY", "NO_COLOR"),
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"),
        *("EDITOR", "VISUAL", "VIMINIT", "VIMRUNTIME", "NVIM_APPNAME", "NANORC", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS"),
    }
)
"""Names that a program on our terminal gets beside those."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def child_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The variables a program gets, out of ours. A proxy address that holds a password is left out."""
    passed = {name: value for name, value in ours.items() if name in PASSED and not _holds_password(name, value)}
    return {**passed, **FIXED, "PATH": search_path(ours)}


def attended_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The variables a program gets that has our terminal: those of any program, and the terminal's and the desktop's."""
    terminal = {name: value for name, value in ours.items() if name in ATTENDED}
    return {**{name: value for name, value in child_environment(ours).items() if name not in FIXED}, **terminal}


def shown(ours: Mapping[str, str]) -> frozenset[bytes]:
    """Names of those of our variables that a program may read of us too: what it gets anyway, and what the libraries we use
    read for themselves."""
    return frozenset(map(os.fsencode, {*(set(ours) & set(child_environment(ours))), *READ_BY_LIBRARIES}))


def search_path(ours: Mapping[str, str]) -> str:
    """PATH without entries that mean the current directory, so that a workspace cannot put its own `ls` in front."""
    entries = [entry for entry in ours.get("PATH", DEFAULT_PATH).split(os.pathsep) if os.path.isabs(entry)]
    return os.pathsep.join(entries) or DEFAULT_PATH


def _holds_password(name: str, value: str) -> bool:
    return name.lower().endswith("_proxy") and "@" in value
