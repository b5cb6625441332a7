"""Which hosts a command may reach through its sandbox: what the rules of `web_fetch` allow, less what they forbid. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from flowchat.tools.rules import FETCH_TOOLS, Rule, covers_host, names

NAMES_SHOWN = 3


class Domains(Struct, frozen=True):
    """Rules about hosts: those that allow, each naming its domain, and those that deny or ask, the strictest first."""

    allowing: tuple[Rule, ...] = ()
    forbidding: tuple[Rule, ...] = ()

    def decides(self, host: str) -> Rule | None:
        """The rule that decides on a host; None where none is about it, and so it is not allowed."""
        return next((rule for rule in (*self.forbidding, *self.allowing) if rule.spec is None or covers_host(rule, host)), None)

    def is_allowed(self, host: str) -> bool:
        """Whether a host may be reached, by its name."""
        rule = self.decides(host)
        return rule is not None and rule.effect == "allow"

    @property
    def names(self) -> tuple[str, ...]:
        """The domains as their rules write them, those that nothing is left of left out."""
        named = dict.fromkeys((rule.spec or "").removeprefix("domain:") for rule in self.allowing)
        return tuple(name for name in named if self.is_allowed(name))  # `*.x` is covered by what covers all below x

    def __str__(self) -> str:
        """As the person reads them; empty where there are none."""
        named = list(self.names)
        if len(named) > NAMES_SHOWN:
            named[NAMES_SHOWN:] = [f"{len(named) - NAMES_SHOWN} more"]
        return " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)


def domains_of(rules: Sequence[Rule]) -> Domains:
    """Out of all rules in force. One that allows every host opens nothing: a domain is named, or it stays off."""
    about = [rule for rule in rules if names(rule, FETCH_TOOLS[0])]
    allowing = tuple(rule for rule in about if rule.effect == "allow" and rule.spec is not None)
    if not allowing:
        return Domains()
    return Domains(allowing, tuple(rule for effect in ("deny", "ask") for rule in about if rule.effect == effect))
