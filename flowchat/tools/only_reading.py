"""How programs run in a command that was judged to only read: by variables around it, so that its text stays what was judged.

A repository's own settings name programs that git would run (an external diff, a text conversion, a monitor, hooks, a
signature checker) and places that it would connect to. For every git that only reads they are answered here, from outside.
"""

from collections.abc import Mapping

from flowchat.tools.command import Judged

_SETTINGS = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "credential.helper": "",
    "diff.autoRefreshIndex": "false",
    "diff.submodule": "short",
    "gpg.program": "false",
    "gpg.openpgp.program": "false",
    "gpg.ssh.program": "false",
    "gpg.x509.program": "false",
    "log.diffMerges": "separate",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "safe.bareRepository": "explicit",
    "status.submoduleSummary": "false",
}
_FUNCTION = """() {
  local -a before=()
  local name top
  while case ${1-} in
    --no-pager|-P|--no-optional-locks|--literal-pathspecs) :;;
    -C) before+=("$1"); shift;;
    *) false;;
  esac; do
    before+=("$1"); shift
  done
  case ${1-} in status|diff|blame|grep|ls-files)
    top=$(command git rev-parse --show-toplevel 2>/dev/null)
    if [ -n "$top" ]; then
      case $(pwd -P)/ in "${top%/}"/*) [ -e "$top/.git" ];; *) false;; esac || {
        echo "git: the settings here say that the files of this repository are in $top" >&2; return 128
      }
    fi
    while IFS= read -r -d '' name; do
      export "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=$name" "GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT="
      GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
    done < <(for name in --local --worktree; do
      command git config $name --includes -z --name-only --get-regexp '^filter[.]' 2>/dev/null
    done);;
  esac
  case ${1-} in
    status) set -- "$1" --ignore-submodules=dirty "${@:2}";;
    diff) set -- "$1" --no-ext-diff --no-textconv --ignore-submodules=dirty "${@:2}";;
    log|show|diff-tree) set -- "$1" --no-ext-diff --no-textconv "${@:2}";;
    stash) [ "${2-}" = list ] || [ "${2-}" = show ] && set -- "$1" "$2" --no-ext-diff --no-textconv "${@:3}";;
    blame|grep) set -- "$1" --no-textconv "${@:2}";;
  esac
  command git "${before[@]}" "$@"
}"""
"""What no setting can forbid: a function that bash takes from its environment adds it behind the subcommand's name.

Filters that the repository's own settings name are set to nothing, whatever they are called; those of the user's settings stay.
Files are looked at only where the repository lies, not in a folder elsewhere that its settings name. In a submodule that has
changed git would start another git, which obeys the settings there and none of these: whether its files have changed is not
looked at, whether its commit has is.
"""
_GIT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    **{f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(_SETTINGS)},
    **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(_SETTINGS.values())},
    "BASH_FUNC_git%%": _FUNCTION,
    "__BASH_FUNC<git>()": _FUNCTION,
}
"""Settings given by variables outrank those of every file. The last name is how the bash of macOS spells the one before it."""
_PIP = {"PYTHONDONTWRITEBYTECODE": "1"}
_RUST = {"RUSTUP_AUTO_INSTALL": "0"}
_VARIABLES: Mapping[str, Mapping[str, str]] = {"git": _GIT, "pip": _PIP, "pip3": _PIP, "cargo": _RUST, "rustc": _RUST}


def variables_for(judged: Judged) -> Mapping[str, str]:
    """What the environment of a judged command is to hold besides: nothing unless it only reads."""
    if not judged.read_only:
        return {}
    return {name: value for part in judged.parts for name, value in _VARIABLES.get(part.argv[0], {}).items()}
