"""Who asks, and whether a Role lets them. Pods present the token of their ServiceAccount; who presents none,
with the simulator's kubeconfig, is the administrator."""

import secrets
from dataclasses import dataclass

from aiohttp import web

from tests.cluster.errors import Forbidden, Unauthorized
from tests.cluster.request import Target, flag
from tests.cluster.resources import BY_KIND
from tests.cluster.store import Object, Store

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Account:
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.name}"


class Accounts:
    """The tokens that have been given out."""

    def __init__(self) -> None:
        self._by_token: dict[str, Account] = {}

    def issue(self, namespace: str, name: str) -> str:
        token = secrets.token_urlsafe(32)
        self._by_token[token] = Account(namespace, name)
        return token

    def check(self, request: web.Request, store: Store, asked: Target) -> None:
        """Raises Unauthorized for a token that was not given out, Forbidden for what no Role allows."""
        header = request.headers.get("Authorization", "")
        if not header:
            return
        account = self._by_token.get(header.removeprefix("Bearer "))
        if account is None:
            raise Unauthorized("Unauthorized")
        verb = verb_of(request, asked)
        rules = (rule for rules in _rules(store, account, asked.namespace) for rule in rules)
        if not any(_allows(rule, verb, asked) for rule in rules):
            what = f'{verb} resource "{asked.resource.plural}" in API group "{asked.resource.group}"'
            where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
            raise Forbidden(f'{asked.resource.plural} is forbidden: User "{account}" cannot {what}{where}')


def verb_of(request: web.Request, asked: Target) -> str:
    if request.method in ("GET", "HEAD"):
        if flag(request, "watch"):
            return "watch"
        return "get" if asked.name else "list"
    verb = VERBS[request.method]
    return "deletecollection" if verb == "delete" and not asked.name else verb


def _rules(store: Store, account: Account, namespace: str) -> list[list[Object]]:
    """Of every Role that a binding in the namespace, or of the whole cluster, gives to the account."""
    bindings = store.all(BY_KIND["RoleBinding"], namespace) if namespace else []
    bindings += store.all(BY_KIND["ClusterRoleBinding"])
    found = []
    for binding in bindings:
        if any(_is(account, subject) for subject in binding.get("subjects", [])):
            kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
            role = store.find(BY_KIND[kind], namespace if kind == "Role" else "", name)
            found.append((role or {}).get("rules", []))
    return found


def _is(account: Account, subject: Object) -> bool:
    named = subject["kind"], subject.get("namespace"), subject["name"]
    return named == ("ServiceAccount", account.namespace, account.name)


def _allows(rule: Object, verb: str, asked: Target) -> bool:
    plural = asked.resource.plural + (f"/{asked.subresource}" if asked.subresource else "")
    names = rule.get("resourceNames", [])
    return (
        not {"*", asked.resource.group}.isdisjoint(rule.get("apiGroups", []))
        and not {"*", plural}.isdisjoint(rule.get("resources", []))
        and not {"*", verb}.isdisjoint(rule.get("verbs", []))
        and (not names or asked.name in names)
    )
