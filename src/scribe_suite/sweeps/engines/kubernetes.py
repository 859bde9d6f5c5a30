"""Manifests for Kubernetes: an Indexed Job with one pod per shard, a shared volume, and the plan.

Nothing is sent to a cluster: ``kubectl apply -f`` does that with these manifests. They contain names of agents' keys,
never the keys: pods read them from secrets that are already in the cluster.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scribe_suite.errors import ConfigurationError
from scribe_suite.sweeps.plan import Plan
from scribe_suite.sweeps.shard_job import GIVEN_UP, GRACE_S

#: The user of the image, see ``tools/container/Dockerfile``.
USER = 10001
#: Mount points of the shared volume and the plan.
SWEEPS, HANDED = "/sweeps", "/plan"
PLAN_FILE = "plan.json.gz"
#: The largest secret that a cluster accepts.
MOST_SECRET_BYTES = 1 << 20
_SECRET = re.compile(r"(?P<variable>[A-Z][A-Z0-9_]*)=(?P<secret>[a-z0-9][a-z0-9.-]*)/(?P<key>[A-Za-z0-9._-]+)")


@dataclass(frozen=True)
class Pods:
    """The settings of pods.

    Attributes:
        image: Container image with the suite.
        parallelism: Number of pods that run at the same time.
        cpus: Cores of a pod.
        memory_gb: Memory limit of a pod in GiB; a pod that exceeds it is killed.
        disk_gb: Disk limit of a pod outside the volume, in GiB.
        volume_gb: Size of the volume in GiB.
        storage_class: Storage class of the volume, which must allow writes from many machines. None for the cluster's
            default.
        secrets: Variable -> the secret and key that hold its value.
        namespaces: Whether pods get the privileges that isolation with namespaces needs.
    """

    image: str
    parallelism: int = 10
    cpus: int = 2
    memory_gb: float = 8.0
    disk_gb: float = 10.0
    volume_gb: float = 20.0
    storage_class: str | None = None
    secrets: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    namespaces: bool = False


def read_secret(text: str) -> tuple[str, tuple[str, str]]:
    """Parse ``VARIABLE=SECRET/KEY`` into variable, secret and key.

    Raises:
        ValueError: When the text does not have that form.
    """
    match = _SECRET.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not of the form VARIABLE=SECRET/KEY, as in ANTHROPIC_API_KEY=agents/claude.")
    return match["variable"], (match["secret"], match["key"])


def manifests(plan: Plan, pods: Pods) -> dict[str, Any]:
    """All objects that a sweep needs in a cluster, as one list.

    Raises:
        ConfigurationError: When the plan is too large for a secret.
    """
    name = f"sweep-{plan.spec.name.lower().replace('_', '-')}"
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [_plan(name, plan), _volume(name, pods), _job(name, plan, pods)],
    }


def _meta(name: str, sweep: str) -> dict[str, Any]:
    return {"name": name, "labels": {"app.kubernetes.io/name": "scribe-suite", "app.kubernetes.io/instance": sweep}}


def _plan(name: str, plan: Plan) -> dict[str, Any]:
    """The plan as a secret, because it contains the seed."""
    packed = gzip.compress(plan.model_dump_json().encode(), mtime=0)
    if len(packed) > MOST_SECRET_BYTES * 3 // 4:
        raise ConfigurationError(
            f"The plan has {len(packed)} bytes when it is packed, too many for a secret: plan several sweeps."
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _meta(f"{name}-plan", name),
        "type": "Opaque",
        "data": {PLAN_FILE: base64.b64encode(packed).decode()},
    }


def _volume(name: str, pods: Pods) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": _gib(pods.volume_gb)}},
    }
    if pods.storage_class is not None:
        spec["storageClassName"] = pods.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": _meta(name, name), "spec": spec}


def _job(name: str, plan: Plan, pods: Pods) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _meta(name, name),
        "spec": {
            "completionMode": "Indexed",
            "completions": len(plan.shards),
            "parallelism": min(pods.parallelism, len(plan.shards)),
            "backoffLimitPerIndex": plan.spec.resumptions,
            "maxFailedIndexes": len(plan.shards),
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [GIVEN_UP]}},
                ]
            },
            "template": {"metadata": {"labels": _meta(name, name)["labels"]}, "spec": _pod(name, plan, pods)},
        },
    }


def _pod(name: str, plan: Plan, pods: Pods) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": int(GRACE_S) + 35,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "Unconfined" if pods.namespaces else "RuntimeDefault"},
        },
        "containers": [_container(plan, pods)],
        "volumes": [
            {"name": "sweeps", "persistentVolumeClaim": {"claimName": name}},
            {"name": "plan", "secret": {"secretName": f"{name}-plan", "defaultMode": 0o440}},
            {"name": "work", "emptyDir": {"sizeLimit": _gib(pods.disk_gb)}},
        ],
    }
    if pods.namespaces:
        # without it, root in a pod's user namespaces would be closer to the machine's root
        spec["hostUsers"] = False
        spec["securityContext"]["appArmorProfile"] = {"type": "Unconfined"}
    return spec


def _container(plan: Plan, pods: Pods) -> dict[str, Any]:
    security: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    if pods.namespaces:
        security["procMount"] = "Unmasked"
    amounts = {"cpu": str(pods.cpus), "memory": _gib(pods.memory_gb), "ephemeral-storage": _gib(pods.disk_gb)}
    return {
        "name": "shard",
        "image": pods.image,
        "args": [
            "scribe-suite", "sweep", "shard", f"{SWEEPS}/{plan.spec.name}",
            "--index", "$(JOB_COMPLETION_INDEX)", "--plan-file", f"{HANDED}/{PLAN_FILE}",
        ],
        "workingDir": "/work",
        "env": _environment(pods.secrets),
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": security,
        "volumeMounts": [
            {"name": "sweeps", "mountPath": SWEEPS},
            {"name": "plan", "mountPath": HANDED, "readOnly": True},
            {"name": "work", "mountPath": "/work"},
        ],
    }  # fmt: skip


def _environment(secrets: Mapping[str, tuple[str, str]]) -> Sequence[dict[str, Any]]:
    return [
        {"name": "JOB_COMPLETION_INDEX",
         "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}},
        {"name": "HOME", "value": "/work"},
        {"name": "TMPDIR", "value": "/work"},
        *({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
          for variable, (secret, key) in secrets.items()),
    ]  # fmt: skip


def _gib(amount: float) -> str:
    """An amount in the notation of Kubernetes."""
    return f"{amount:g}Gi" if amount == int(amount) else f"{round(amount * 1024)}Mi"
