"""`check.outputs`: what hides the work, or nothing, is refused with a sentence."""

from __future__ import annotations

import pytest

from environments.os.declared_outputs import fault_of_outputs
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec


def spec_of(outputs: tuple[str, ...], code: str, under_test: str = "", cwd: str | None = None) -> TaskSpec:
    tried = (Script(code=under_test),) if under_test else ()
    check = Check(kind="script", scripts=(Script(code=code),), outputs=outputs, under_test=tried)
    asked = {"environment": "os", "instruction": "Do it.", "setup": Setup(cwd=cwd), "origin": "own"}
    return TaskSpec.make(**asked, check=check, provenance=Provenance(source="here"))


LOOKS = "test -f /root/a -a -f /srv/d/b"
UNFIT = [
    (("",), "is an absolute path"),
    (("a",), "is an absolute path"),
    (("./a",), "is an absolute path"),
    (("~/a",), "is an absolute path"),
    (("$HOME/a",), "is an absolute path"),
    (("/",), "stands for everything"),
    (("//",), "stands for everything"),
    (("/*",), "one path and no pattern"),
    (("*",), "is an absolute path"),
    (("/root/*",), "one path and no pattern"),
    (("/root/a?",), "one path and no pattern"),
    (("/root/[ab]",), "one path and no pattern"),
    (("/root/../etc/passwd",), "write it plainly: /etc/passwd"),
    (("/root/..",), "write it plainly: /"),
    (("/root/./a",), "write it plainly: /root/a"),
    (("/root//a",), "write it plainly: /root/a"),
    (("//root/a",), "write it plainly: /root/a"),
    (("/root/a/",), "write it plainly: /root/a"),
    (("/root/a\n",), "no control character"),
    (("/root/\0a",), "no control character"),
    (("/proc/self/cmdline",), "no agent can leave a file there"),
    (("/sys",), "no agent can leave a file there"),
    (("/dev/shm/a",), "no agent can leave a file there"),
    (("/root/a", "/root/a"), "it stands there twice"),
    (("/srv/d", "/srv/d/b"), "/srv/d/b lies in /srv/d, which stands there too"),
    (("/srv/d/b", "/srv/d"), "/srv/d/b lies in /srv/d, which stands there too"),
    (("/root/a", "/root/other"), "no script of the check names it"),
    (("/opt/other",), "no script of the check names it"),
]


@pytest.mark.parametrize(("outputs", "said"), UNFIT)
def test_an_output_of_no_use_is_refused(outputs: tuple[str, ...], said: str) -> None:
    fault = fault_of_outputs(spec_of(outputs, LOOKS))
    assert fault.startswith(f"check.outputs.{len(outputs) - 1} = ")
    assert said in fault
    assert "\n" not in fault


@pytest.mark.parametrize(
    "spec",
    [
        spec_of((), LOOKS),
        spec_of(("/root/a", "/srv/d/b"), LOOKS),
        spec_of(("/srv/d",), LOOKS),
        spec_of(("/root/a",), "cd ~ && test -f a"),
        spec_of(("/root/tool",), '[ "$3" = 5 ]', under_test="python3 /root/tool/main.py"),
        spec_of(("/root/d/a", "/root/d/b"), '[ "$(ls /root/d | wc -l)" = 2 ]'),
        spec_of(("/srv/x/y",), "import os; assert len(list(os.walk('/srv'))) == 2"),
        spec_of(("/root/n1",), 'set -- *; [ "$#" = 1 ]'),
        spec_of(("/work/n1",), '[ "$(find . -type f | wc -l)" = 1 ]', cwd="/work"),
        spec_of(("/srv/dev/a", "/srv/dev/ab", "/processed"), "test -e /srv/dev/a -a -e /srv/dev/ab -a -e /processed"),
    ],
)
def test_outputs_that_the_check_looks_at_are_let_in(spec: TaskSpec) -> None:
    assert fault_of_outputs(spec) == ""
