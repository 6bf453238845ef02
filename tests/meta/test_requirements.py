"""The lock files say what pyproject.toml says, for every supported Python, and name no place to fetch from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from devstack import lock

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = PYPROJECT["project"]["dependencies"]
DEVELOPMENT = PYPROJECT["dependency-groups"]["dev"]
PYTHONS = ("3.11", "3.12", "3.13")

EACH = pytest.mark.parametrize("name", lock.PURPOSES)


def locked(name: str) -> list[Requirement]:
    """Return the requirements of a lock file, in its order; hashes and comments left out."""
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    return [
        Requirement(line.split(" --hash=")[0]) for line in lines if line.strip() and not line.lstrip().startswith("#")
    ]


def pins(name: str) -> dict[str, str]:
    """Return canonical name → version; refuses a lock file with a line that is not one exact version."""
    versions = {}
    for requirement in locked(name):
        (specifier,) = requirement.specifier
        assert specifier.operator == "=="
        versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


@EACH
def test_lock_was_compiled_from_this_pyproject(name: str) -> None:
    """A lock file's recorded digest is that of pyproject's dependency tables as they are now."""
    header = (ROOT / name).read_text().splitlines()[:5]

    assert lock.DIGEST_PREFIX + lock.dependencies_digest(PYPROJECT) in header, "run `make lock`"


@pytest.mark.parametrize(
    ("name", "wanted"), [(lock.RUNTIME, RUNTIME), (lock.DEVELOPMENT, [*RUNTIME, *DEVELOPMENT])], ids=["runtime", "dev"]
)
def test_every_dependency_is_locked_within_its_range(name: str, wanted: list[str]) -> None:
    """Every dependency that pyproject names is locked at a version that its specifier allows."""
    versions = pins(name)

    for text in wanted:
        requirement = Requirement(text)
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {name}: run `make lock`"
        assert requirement.specifier.contains(version), f"{name} has {requirement.name} {version}, wanted {text}"


def test_what_is_deployed_is_what_is_tested() -> None:
    """Every package of the runtime lock is in the development lock at the same version."""
    development = pins(lock.DEVELOPMENT)

    assert pins(lock.RUNTIME).items() <= development.items()


def test_the_bundle_leaves_out_what_lambda_and_chalice_supply() -> None:
    """The runtime lock holds neither chalice nor boto3 nor anything that only those need."""
    supplied = {"chalice", "boto3", "botocore", "s3transfer", "jmespath"}

    assert supplied.isdisjoint(pins(lock.RUNTIME))


@EACH
def test_lock_names_no_place(name: str) -> None:
    """A lock file holds no URL, no index or find-links option, and no path of the machine that wrote it."""
    text = (ROOT / name).read_text()

    assert "://" not in text
    assert "@ " not in text
    assert re.findall(r"^\s*-(?!-hash=).*$", text, re.MULTILINE) == []
    assert re.findall(r"(?<![\w.])[/~][\w.-]+/.*|\b[A-Za-z]:\\\w.*|\bfile:.*", text) == []


@EACH
def test_every_locked_package_has_a_hash(name: str) -> None:
    """Every entry of a lock file is followed by at least one SHA-256, so that pip can demand them all."""
    entries = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    without = [e for e in entries if "==" in e and not e.lstrip().startswith("#") and "--hash=sha256:" not in e]

    assert without == []


@pytest.mark.parametrize("python", PYTHONS)
def test_one_lock_serves_every_supported_python(python: str) -> None:
    """Under each supported Python on Linux, no package is locked twice and none that pyproject wants is left out."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }

    def applies(requirement: Requirement) -> bool:
        return requirement.marker is None or requirement.marker.evaluate(environment)

    names = [canonicalize_name(r.name) for r in locked(lock.DEVELOPMENT) if applies(r)]
    wanted = {canonicalize_name(r.name) for r in map(Requirement, [*RUNTIME, *DEVELOPMENT]) if applies(r)}

    assert len(names) == len(set(names))
    assert wanted <= set(names)
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(f"{python}.0")
