"""The Helm chart: what helm makes of it, for different values, held against Kubernetes' own schemas and against the binary."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

from sandbox import BINARY, ROOT, TARGET

CHART = ROOT / "deploy/helm/postrider"
HELM = pathlib.Path(os.environ["POSTRIDER_HELM"])
VALIDATE = pathlib.Path(os.environ["POSTRIDER_KUBERNETES_VALIDATE"])
# The oldest that the chart says it is for, and a new one.
KUBERNETES = ("1.25.0", "1.34.0")

EXPOSED = {"admin": {"exposed": True}, "secrets": {"existing": "postrider"}}
MONITORED = {
    "admin": {"exposed": True, "tlsSecret": "postrider-tls"},
    "podMonitor": {"enabled": True, "tokenSecret": {"name": "prometheus"}},
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 5432}]}],
    },
    "secrets": {"values": {"EVENT_STORE_URL": "postgres://db/zitadel"}, "files": [{"name": "keys", "path": "/run/secrets/keys"}]},
    "podLabels": {"team": "events"},
    "podAnnotations": {"example.com/why": "because"},
    "serviceAccount": {"annotations": {"example.com/role": "none"}},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "none"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
}
ALONE = {"replicas": 1, "networkPolicy": {"enabled": False}, "serviceAccount": {"create": False}}


def helm(values, *arguments, name="events"):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        command = [HELM, *(arguments or ("template", name)), CHART, "--values", file.name, "--namespace", "postrider"]
        # Nothing of whoever runs this.
        environment = {"PATH": os.environ["PATH"], "HOME": str(TARGET / "deploy")}
        return subprocess.run(command, capture_output=True, text=True, env=environment)


class Chart(unittest.TestCase):
    def rendered(self, values, **more):
        done = helm(values, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = [document for document in yaml.safe_load_all(done.stdout) if document]
        return {document["kind"]: document for document in made}

    def refused(self, values, why):
        done = helm(values)
        self.assertNotEqual(done.returncode, 0, values)
        self.assertIn(why, done.stderr)

    def test_helm_finds_nothing_to_complain_of(self):
        for values in ({}, EXPOSED, MONITORED, ALONE):
            done = helm(values, "lint", "--strict")
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_resource_is_one_that_kubernetes_knows(self):
        for values in ({}, EXPOSED, MONITORED, ALONE):
            made = self.rendered(values)
            # The operator's own kind is in no schema of Kubernetes.
            made.pop("PodMonitor", None)
            for version in KUBERNETES:
                with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                    yaml.safe_dump_all(made.values(), file)
                    file.flush()
                    command = [VALIDATE, "--strict", "--kubernetes-version", version, file.name]
                    done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual((done.stdout + done.stderr).count(" passed for resource "), len(made), done.stdout + done.stderr)

    def test_a_field_that_kubernetes_does_not_know_would_be_seen(self):
        made = self.rendered({})["Deployment"]
        made["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(made, file)
            file.flush()
            command = [VALIDATE, "--strict", "--kubernetes-version", KUBERNETES[1], file.name]
            self.assertNotEqual(subprocess.run(command, capture_output=True).returncode, 0)

    def test_which_resources_there_are_follows_from_the_values(self):
        always = {"Deployment", "ConfigMap"}
        self.assertEqual(
            set(self.rendered({})), always | {"ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"}
        )
        self.assertEqual(set(self.rendered(ALONE)), always)
        self.assertEqual(
            set(self.rendered(MONITORED)),
            always | {"ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "Service", "PodMonitor", "Secret"},
        )

    def test_a_pod_may_do_nothing_that_the_restricted_standard_forbids(self):
        for values in ({}, MONITORED):
            pod = self.rendered(values)["Deployment"]["spec"]["template"]["spec"]
            (container,) = pod["containers"]
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(pod["automountServiceAccountToken"])
            self.assertEqual(
                container["securityContext"],
                {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}},
            )
            self.assertTrue(all(mount["readOnly"] for mount in container["volumeMounts"]))
            # Only what a restricted pod may mount.
            kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
            self.assertLessEqual(kinds, {"configMap", "secret"})

    def test_the_pod_is_the_image_that_the_dockerfile_makes(self):
        pod = self.rendered({})["Deployment"]["spec"]["template"]["spec"]
        dockerfile = (ROOT / "deploy/Dockerfile").read_text()
        identity = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        self.assertIn(f"\nUSER {identity}\n", dockerfile)
        version = subprocess.run([BINARY, "--version"], capture_output=True, text=True).stdout.split()[1]
        self.assertEqual(pod["containers"][0]["image"], f"postrider:{version}")

    def test_the_policy_opens_nothing_that_is_not_exposed(self):
        policy = self.rendered({})["NetworkPolicy"]["spec"]
        self.assertEqual((policy["ingress"], policy["policyTypes"]), ([], ["Ingress", "Egress"]))
        policy = self.rendered(EXPOSED)["NetworkPolicy"]["spec"]
        self.assertEqual(policy["ingress"], [{"ports": [{"port": 8788, "protocol": "TCP"}], "from": [{"podSelector": {}}]}])
        self.assertEqual(self.rendered(MONITORED)["NetworkPolicy"]["spec"]["egress"], [{"ports": [{"port": 5432}]}])

    def test_the_binary_understands_its_config_and_environment_as_they_are_rendered(self):
        for values in ({}, MONITORED):
            made = self.rendered(values)
            (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
            with tempfile.TemporaryDirectory() as folder:
                config = pathlib.Path(folder) / "postrider.toml"
                config.write_text(made["ConfigMap"]["data"]["postrider.toml"])
                environment = {entry["name"]: entry["value"] for entry in container["env"]}
                self.assertEqual(environment["POSTRIDER_CONFIG"], "/etc/postrider/postrider.toml")
                environment |= {"POSTRIDER_CONFIG": str(config), "EVENT_STORE_URL": "postgres://db/zitadel"}
                command = container["readinessProbe"]["exec"]["command"]
                done = subprocess.run([BINARY, *command[1:]], capture_output=True, text=True, env=environment)
                # Everything is understood; nobody is there, or the certificate is not.
                self.assertEqual(done.returncode, 1, done.stderr)
                wanted = "/run/secrets/admin-tls/tls.crt" if values else "nothing could be asked at 127.0.0.1:8788"
                self.assertIn(wanted, done.stderr + done.stdout)

    def test_what_could_not_work_is_refused_with_its_reason(self):
        self.refused({"podMonitor": {"enabled": True}}, "needs admin.exposed")
        self.refused({"podMonitor": {"enabled": True}, **EXPOSED}, "needs podMonitor.tokenSecret.name")
        self.refused({"secrets": {"existing": "one", "values": {"A": "b"}}}, "which of them is meant")
        self.refused({"config": '[event_store]\nurl = "sqlite:///events.db"\n'}, "a store in SQLite")

    def test_a_misspelt_value_is_refused(self):
        self.refused({"replicaCount": 3}, "replicaCount")
        self.refused({"admin": {"expose": True}}, "expose")

    def test_another_config_makes_other_pods(self):
        def stamps(values):
            return self.rendered(values)["Deployment"]["spec"]["template"]["metadata"]["annotations"]

        self.assertNotEqual(stamps({}), stamps({"config": "[log]\n"}))
        self.assertNotEqual(stamps({}), stamps({"secrets": {"values": {"A": "b"}}}))


if __name__ == "__main__":
    unittest.main()
