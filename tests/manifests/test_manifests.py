"""docs/guides/kubernetes.md: each manifest is valid, and they are consistent with each other.

nginx-tests/guides/kubernetes.t runs the nginx.conf in them.
"""

import copy
import re
import unittest

import kubernetes_validate
from guide import container_of, every, fragments, manifests, one, parameter
from kubernetes_validate.utils import all_versions

# The first version that has the action "sleep" of preStop without a feature gate.
FIRST = (1, 30)
VERSIONS = [version for version in all_versions() if tuple(map(int, version.split(".")[:2])) >= FIRST]

# The requirements for pods of the Pod Security Standard "restricted", and a read-only root file system.
CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}

# How long CoreDNS may cache a response: "cache 30" in kubeadm's older Corefiles.
DNS_CACHE = 30


def with_fragment(fragment):
    """The application's Deployment with these settings in its container."""
    deployment = copy.deepcopy(one("Deployment", "shop"))
    container_of(deployment).update(fragment)
    return deployment


def sleeps(container):
    action = container["lifecycle"]["preStop"]
    if "sleep" in action:
        return action["sleep"]["seconds"]
    (seconds,) = re.findall(r"\bsleep (\d+)", " ".join(action["exec"]["command"]))
    return int(seconds)


class Schemas(unittest.TestCase):
    def check(self, manifest):
        for version in VERSIONS:
            with self.subTest(kind=manifest["kind"], name=manifest["metadata"]["name"], version=version):
                kubernetes_validate.validate(manifest, version, strict=True)

    def test_versions(self):
        self.assertGreaterEqual(len(VERSIONS), 5)

    def test_manifests(self):
        self.assertGreaterEqual(len(manifests()), 11)
        for manifest in manifests():
            self.check(manifest)

    def test_fragments(self):
        self.assertEqual(len(fragments()), 1)
        for fragment in fragments():
            self.check(with_fragment(fragment))


class References(unittest.TestCase):
    """Names that one manifest uses exist in another."""

    def setUp(self):
        self.pods = {it["metadata"]["name"]: it["spec"]["template"] for it in every("Deployment")}
        self.configuration = one("ConfigMap", "front")["data"]["nginx.conf"]
        listens = set(re.findall(r"listen (\d+);", self.configuration))
        self.assertEqual({int(port) for port in listens}, set(self.ports("front").values()))

    def ports(self, name):
        (container,) = self.pods[name]["spec"]["containers"]
        return {port["name"]: port["containerPort"] for port in container["ports"]}

    def selected(self, labels):
        found = [name for name, pod in self.pods.items() if labels.items() <= pod["metadata"]["labels"].items()]
        self.assertEqual(len(found), 1, labels)
        return found[0]

    def test_selectors(self):
        for deployment in every("Deployment"):
            spec = deployment["spec"]
            self.assertEqual(self.selected(spec["selector"]["matchLabels"]), deployment["metadata"]["name"])
            for constraint in spec["template"]["spec"].get("topologySpreadConstraints", []):
                self.assertEqual(
                    self.selected(constraint["labelSelector"]["matchLabels"]), deployment["metadata"]["name"]
                )
        for budget in every("PodDisruptionBudget"):
            self.assertEqual(self.selected(budget["spec"]["selector"]["matchLabels"]), budget["metadata"]["name"])

    def test_ports(self):
        control = {8082}
        for service in every("Service"):
            name = self.selected(service["spec"]["selector"])
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                known = self.ports(name)
                self.assertIn(target, {*known, *known.values(), *control}, service["metadata"]["name"])
                if service["spec"].get("clusterIP") == "None":
                    self.assertEqual(port["port"], known.get(target, target), "a headless Service translates no ports")
        for policy in every("NetworkPolicy"):
            name = self.selected(policy["spec"]["podSelector"]["matchLabels"])
            for rule in policy["spec"]["ingress"]:
                self.assertTrue({port["port"] for port in rule["ports"]} <= {*self.ports(name), *control})
        for deployment in every("Deployment"):
            container = container_of(deployment)
            for probe in ("readinessProbe", "livenessProbe"):
                if probe in container:
                    self.assertIn(container[probe]["httpGet"]["port"], self.ports(deployment["metadata"]["name"]))

    def test_control(self):
        """Only pods of the application can reach the port of session_sticky_control."""
        to_all = [
            port["port"]
            for policy in every("NetworkPolicy")
            for rule in policy["spec"]["ingress"]
            if "from" not in rule
            for port in rule["ports"]
        ]
        self.assertEqual(to_all, ["http"])
        (policy,) = [it for it in every("NetworkPolicy") if it["metadata"]["name"] == "front-control"]
        (rule,) = policy["spec"]["ingress"]
        (peer,) = rule["from"]
        self.assertEqual(self.selected(peer["podSelector"]["matchLabels"]), "shop")
        (fragment,) = fragments()
        script = fragment["lifecycle"]["preStop"]["exec"]["command"][-1]
        self.assertIn("getent ahostsv4 front-control ", script)
        self.assertEqual(re.findall(r"http://\$front:(\d+)/", script), ["8082"])

    def test_volumes(self):
        for deployment in every("Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            volumes = {volume["name"]: volume for volume in spec["volumes"]}
            self.assertEqual({mount["name"] for mount in container_of(deployment)["volumeMounts"]}, set(volumes))
        front = one("Deployment", "front")
        (mount,) = [it for it in container_of(front)["volumeMounts"] if it["name"] == "configuration"]
        self.assertNotIn("subPath", mount, "a reload would read the old file")
        command = container_of(front)["command"]
        self.assertEqual(command[command.index("-c") + 1], mount["mountPath"] + "/nginx.conf")
        self.assertIn("daemon off;", command)

    def test_upstream(self):
        """The server of the upstream is the headless Service."""
        ((service, port),) = re.findall(
            r"server (\S+)\.default\.svc\.cluster\.local:(\d+) resolve;", self.configuration
        )
        spec = one("Service", service)["spec"]
        self.assertEqual(spec["clusterIP"], "None")
        self.assertNotIn("publishNotReadyAddresses", spec)
        self.assertEqual([it["port"] for it in spec["ports"]], [int(port)])


class Pods(unittest.TestCase):
    def test_restricted(self):
        for deployment in every("Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            self.assertTrue(spec["securityContext"]["runAsNonRoot"])
            self.assertGreater(spec["securityContext"]["runAsUser"], 0)
            self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertEqual(container_of(deployment)["securityContext"], CONTAINER)

    def test_written_paths(self):
        """Files written by nginx are in a volume, as the root file system is read-only."""
        configuration = one("ConfigMap", "front")["data"]["nginx.conf"]
        written = re.findall(r"^ *(?:pid|\w+_temp_path|error_log|access_log) (/\S+?)[; ]", configuration, re.MULTILINE)
        self.assertEqual(len(written), 8)
        for path in written:
            self.assertRegex(path, r"^/tmp/|^/dev/std(out|err)$")
        mounts = container_of(one("Deployment", "front"))["volumeMounts"]
        self.assertIn("/tmp", [mount["mountPath"] for mount in mounts])


class Times(unittest.TestCase):
    """Each time limit is long enough for those that it has to outlast."""

    def setUp(self):
        self.configuration = one("ConfigMap", "front")["data"]["nginx.conf"]

    def test_lingering(self):
        linger = parameter(self.configuration, "linger")
        noticed = DNS_CACHE + parameter(self.configuration, "valid")
        (fragment,) = fragments()
        for deployment in (one("Deployment", "shop"), with_fragment(fragment)):
            hook = sleeps(container_of(deployment))
            self.assertLess(noticed + linger, hook)
            self.assertLess(hook, deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

    def test_front(self):
        front = one("Deployment", "front")
        hook = sleeps(container_of(front))
        shutdown = parameter(self.configuration, "worker_shutdown_timeout")
        self.assertLess(hook + shutdown, front["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

    def test_replicas(self):
        """The disruption budget allows a node to be drained, and keeps a replica."""
        for budget in every("PodDisruptionBudget"):
            replicas = one("Deployment", budget["metadata"]["name"])["spec"]["replicas"]
            spec = budget["spec"]
            left = spec["minAvailable"] if "minAvailable" in spec else replicas - spec["maxUnavailable"]
            self.assertTrue(0 < left < replicas, budget["metadata"]["name"])


if __name__ == "__main__":
    unittest.main()
