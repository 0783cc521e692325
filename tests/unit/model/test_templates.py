from __future__ import annotations

import subprocess
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jobctl.errors import EvaluationError, ExpressionError
from jobctl.model.templates import Template

EVIL = 'a\'b "c" $(touch pwned) `id` \\ ; rm -rf * # é\nline 2\\'
NAMES: dict[str, Any] = {
    "params": {
        "a": "x y", "n": 3, "f": 1.5, "yes": True, "none": None, "list": ["a b", "c'd", 1], "map": {"k": "v w"},
        "evil": EVIL, "nul": "a\0b", "empty": "", "nothing": [], "minus": -3,
    },
    "failure": {"step": "load"},
}  # fmt: skip


def rendered(text: str, *, shell: bool = False) -> str:
    return Template.parse(text, shell=shell).render(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""), ("plain ${X} $Y {{ }} }}", "plain ${X} $Y {{ }} }}"), ("a${{ params.a }}b", "ax yb"),
        ("${{params.n}}${{ params.f }}", "31.5"), ("${{ params.yes }}-${{ params.none }}.", "true-."),
        ("${{ params.list }}", '["a b","c\'d",1]'), ("${{ params.map }}", '{"k":"v w"}'),
        ("${{ '${{' }} x }}", "${{ x }}"), ("${{ '}}' }}", "}}"), ('${{ "\\"}}" }}', '"}}'),
        ("${{ raw(params.a) }}", "x y"), ("${{ params.a\n == 'x' }}", "false"),
    ],
)  # fmt: skip
def test_values_are_put_in_as_plain_text(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo ${{ params.a }}", "echo 'x y'"), ("echo ${{ params.list }}", "echo 'a b' 'c'\\''d' '1'"),
        ("echo ${{ params.n }} ${X}", "echo '3' ${X}"), ("echo ${{ params.none }}", "echo ''"),
        ("echo ${{ params.nothing }} .", "echo  ."), ('echo "to: ${{ params.nothing }}"', 'echo "to: "'),
        ('V "${{ params.nothing }}";', 'V "";'), ("a;${{ params.nothing }}", "a;"), ("${{ params.nothing }}", ""),
        ("echo ${{ params.map }}", "echo '{\"k\":\"v w\"}'"),
        ("echo ${{ raw(params.a) }}", "echo x y"), ('"at ${{ failure.step }}"', '"at load"'),
        ('"${{ params.map }}"', '"{\\"k\\":\\"v w\\"}"'), ("'${{ params.list }}'", "'a b c'\\''d 1'"),
        ("$(( ${{ params.n }} + (${{ params.f }}) ))", "$(( 3 + (1.5) ))"),
        ("$((1-${{ params.minus }}))", "$((1-(-3)))"),
    ],
)  # fmt: skip
def test_in_a_shell_line_values_are_quoted_for_where_they_stand(text: str, expected: str) -> None:
    assert rendered(text, shell=True) == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a ${{ params.a", 3), ("${{ 'a }}", 5), ("a ${{ open('x') }}", 7), ("${{ }}", 4), ("a\0b", 2),
        ("${{ params.a }} ${{ b }}", 21), ("${{ raw(nope) }}", 9), ("${{ raw( }}", 8), ("${{ {'a': 1}}}", 5),
        ("${{ 'é' == nope }}", 12),
    ],
)  # fmt: skip
def test_a_bad_template_is_refused_with_its_column(text: str, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        Template.parse(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text", ["${{ params.nul }}", "${{ params.map.x }}", "${{ failure.x }}", "${{ item }}"]
)
def test_a_value_that_is_not_there_or_holds_nul_is_an_error(text: str) -> None:
    for shell in (False, True):
        with pytest.raises(EvaluationError):
            rendered(text, shell=shell)


def test_one_value_alone_keeps_its_type() -> None:
    assert Template.parse(" ${{ params.list }}\n").value(NAMES) == ["a b", "c'd", 1]
    assert Template.parse("${{ params.yes }}").value(NAMES) is True
    assert Template.parse("n=${{ params.n }}").value(NAMES) == "n=3"
    assert Template.parse("3").value(NAMES) == "3"
    assert Template.parse("x").is_plain


def test_names_have_the_columns_of_the_whole_text() -> None:
    text = "a ${{ params.a }} b ${{ raw(steps.x.outputs.y) }}"
    found = Template.parse(text).names()
    assert [(name.path, name.column) for name in found] == [
        (("params", "a"), 7), (("steps", "x", "outputs", "y"), 29),
    ]  # fmt: skip


def test_between_double_parentheses_only_numbers_are_put() -> None:
    with pytest.raises(EvaluationError, match="only a number may stand inside"):
        rendered("$(( ${{ params.a }} ))", shell=True)


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /srv/${{ params.nothing }}/", "rm ${{ params.nothing }}.", "rm .${{ params.nothing }}",
        "rm -rf '/srv/${{ params.nothing }}'", 'rm "/srv/${{ params.nothing }}/"', 'rm /srv/"${{ params.nothing }}"',
        "rm '${{ params.nothing }}'/x", "rm ${{ params.n }}${{ params.nothing }}", "X=${{ params.nothing }} a",
        "rm ${{ params.nothing }}${{ params.nothing }}",
    ],
)  # fmt: skip
def test_an_empty_list_inside_a_word_is_refused(text: str) -> None:
    with pytest.raises(EvaluationError, match="an empty list inside a word"):
        rendered(text, shell=True)


def test_a_text_that_grows_beyond_a_mebibyte_is_refused() -> None:
    template = Template.parse("${{ item }}${{ item }}")
    with pytest.raises(EvaluationError, match="the text gets too long"):
        template.render({"item": "x" * 600_000})


UNSAFE = [
    "`echo ${{ params.evil }}`",
    "`echo` `id ${{ params.evil }}`",
    "x=`echo '`'`; echo ${{ params.evil }}",
    "cat <<EOF\n${{ params.evil }}\nEOF",
    "cat <<'EOF'\n${{ params.evil }}\nEOF",
    "cat <<-E\n\tE2\n ${{ params.evil }}\n\tE",
    "cat <<A <<B\na\nA\n${{ params.evil }}\nB",
    "cat <<EOF\na\\\nEOF\n${{ params.evil }}\nEOF",
    "cat <<${{ params.evil }}\nEOF",
    "cat <<E$X\n${{ params.evil }}\nE$X",
    "echo # ${{ params.evil }}",
    "# it's\necho hi # ${{ params.evil }}",
    "echo \\${{ params.evil }}",
    "echo $${{ params.evil }}",
    'echo "$${{ params.evil }}"',
    'echo "\\${{ params.evil }}"',
    "echo $'a\\'' ${{ params.evil }}",
    "echo ${X:-${{ params.evil }}}",
    "echo \"${X:-'a'}\" ${{ params.evil }}",
    "echo $(case a in a) echo ${{ params.evil }};; esac)",
    "echo \"$(case a in a) echo ')';; esac)\" ${{ params.evil }}",
    "(a)# ' \n ${{ params.evil }}",
    "(a)#${{ params.evil }}",
    "$((1 + $(echo ')'))) ${{ params.evil }}",
    "$((a) ) ${{ params.evil }}",
    "$[ ${{ params.evil }} ]",
    "cat <\\\n<E\n${{ params.evil }}\nE",
    'echo "$HOME_${{ params.evil }}"',
    'echo "$HOME${{ params.evil }}"',
    'echo "$1${{ params.evil }}"',
    'echo "$(echo "$A${{ params.evil }}")"',
    "ls ~${{ params.evil }}",
    "ls ~ro${{ params.evil }}",
    "X=a:~${{ params.evil }} id",
    "ls ~'${{ params.evil }}'",
    "ls [${{ params.evil }}]*",
    "ls [!${{ params.evil }}]*",
    'ls x["${{ params.evil }}"]',
    "ls ['${{ params.evil }}']",
    "a[${{ params.evil }}]=1",
    "a[1 + ${{ params.evil }}]=1",
    "x=([ ${{ params.evil }}]=1)",
    "x=([\n${{ params.evil }}\n]=1)",
    "a[b[c] ${{ params.evil }}]=1",
    'a["$(echo ${{ params.a }})${{ params.evil }}"]=1',
    "[[ ${{ params.evil }} -eq 1 ]]",
    'if [[ 1 -eq "${{ params.evil }}" ]]; then :; fi',
    "$((x${{ params.n }}))",
    "$(($X${{ params.n }}))",
    "$((1${{ params.n }}))",
    "$((${{ params.n }}${{ params.n }}))",
]


@pytest.mark.parametrize("text", UNSAFE)
def test_a_value_where_no_quoting_is_certain_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="no value is safe") as caught:
        Template.parse(text, shell=True)
    assert "env:" in caught.value.hint
    Template.parse(text)  # in an argv it is only text


SAFE = [
    ("V ${{ item }}", 1),
    ('V "${{ item }}"', 1),
    ("V '${{ item }}'", 1),
    ("V \"$(printf '%s.' ${{ item }})\"", "."),
    ('V "$(printf \'%s.\' "${{ item }}")"', "."),
    ("V \"$(printf '%s.' '${{ item }}')\"", "."),
    ("X=1; # it's \" a comment\nV ${{ item }} # end", 1),
    ("cat <<'A' >/dev/null\n it's \"\nA\nV ${{ item }}", 1),
    ("cat <<-A >/dev/null; V ${{ item }}\n\tit's $(echo x)\n\tA\n", 1),
    ("case x in x) V ${{ item }};; esac", 1),
    ('f() { V "$@"; }; f ${{ item }}', 1),
    ("if [ ${{ item }} = \"${{ item }}\" ]; then V '${{ item }}'; fi", 1),
    ('X=${{ item }}; V "$X"', 1),
    ('X="${PATH}$(( ${{ 2 }} * (3) ))${#PATH}$$"; V ${{ item }}', 1),
    ("echo `date` >/dev/null; V ${{ item }}", 1),
    ("V \\\n  ${{ item }} \\\n", 1),
    ("(V ${{ item }})", 1),
    ("{ V ${{ item }}; } 2>&1", 1),
    ("V \\'${{ item }}", "'"),
    ('V "\\""${{ item }}', '"'),
    ("V ${{ item }}>&1", 1),
    ("V ${{ item }}<&0", 1),
    ('X=a; V "${X}${{ item }}" | tail -c +2', 1),
    ("X=a; V $X${{ item }} | tail -c +2", 1),
    ('X=; V "$X""${{ item }}"', 1),
    ("HOME=/h; V ~/${{ item }} | tail -c +4", 1),
    ("V '['${{ item }} | tail -c +2", 1),
    ("V \\[${{ item }} | tail -c +2", 1),
    ('V "[${{ item }}" | tail -c +2', 1),
    ("V a=~/ >/dev/null; V ${{ item }}", 1),
    ("[ ${{ item }} = x ] || V ${{ item }}", 1),
    ("echo [a]* >/dev/null; V ${{ item }}", 1),
]
SHELLS = ["/bin/sh", "/bin/bash"]
PRELUDE = "V() { printf '%s\\0' \"$@\"; }\n"


def run(shell: str, script: str) -> bytes:
    with TemporaryDirectory() as directory:
        done = subprocess.run(
            [shell], input=script.encode("utf-8"), capture_output=True, timeout=60, check=False, cwd=directory,
            env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    assert done.stderr == b"", (script, done.stderr)
    return done.stdout


def script_of(text: str, item: str) -> str:
    return PRELUDE + Template.parse(text, shell=True).render({"item": item}) + "\n"


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=8, deadline=None)
@given(
    items=st.lists(st.text("ab'\"$`\\ \n(){}#;&|<>*?~!=-é%", min_size=1, max_size=12), min_size=4, max_size=4)
)
def test_a_real_shell_reads_each_value_as_it_is(shell: str, items: list[str]) -> None:
    cases = [(text, mark, item) for text, mark in SAFE for item in [*items, EVIL]]
    # Each in a function of its own, so that nothing of one reaches the next; back-to-back in one shell for speed.
    script = PRELUDE + "".join(
        f"f{number}() {{\n{Template.parse(text, shell=True).render({'item': item})}\n}}\nf{number}\n"
        for number, (text, _, item) in enumerate(cases)
    )
    found = run(shell, script).decode("utf-8").split("\0")[:-1]
    expected = [
        f"{mark}{item}" if mark in ("'", '"') else f"{item}{mark}" if mark == "." else item
        for _, mark, item in cases
    ]
    assert found == expected


@given(st.text("ab'\"$`\\ \n(){}#;<>${item}", max_size=30), st.booleans())
def test_any_text_is_a_template_or_refused(text: str, shell: bool) -> None:
    with suppress(ExpressionError, EvaluationError):
        assert isinstance(Template.parse(text, shell=shell).render({"item": EVIL}), str)


AROUND = st.sampled_from([
    ('"', '"'), ("'", "'"), ("$(", ")"), ("(", ")"), ("$((", "))"), ("`", "`"), ("cat <<E\n", "\nE\n"),
    ("cat <<'E'\n", "\nE\n"), ("# ", "\n"), ("${X:-", "}"), ("", ""), ("\\", ""), ("$", ""), ("echo ", " "),
    ("\n", "\n"), ("$'", "'"), ("case a in a)", ";; esac"), ("case a in (a)", ";; esac"), ("echo \"'", "'\""),
    ("if true; then ", "; fi"), ("echo ${X} $$ ", ""), ("{ ", "; }"), ("a | ", ""), ("echo '\"' ", ""), ("X=", " a"),
    ("a # it's\n", "\n"), ("((", "))"), ("[ ", " ]"),
    ("[[ ", " -eq 1 ]]"), ("a[", "]=1"), ("a=([", "]=1)"), ('"$X', '"'), ("~", "/x"), ("", ">&2"),
    ("cat <<-E <<F\n\ta\n\tE\n", "\nF\n"),
])  # fmt: skip
PAYLOADS = st.sampled_from([
    "$(PWNED)", "`PWNED`", "';PWNED;'", '";PWNED;"', "\nPWNED\n", ");PWNED;(", "'$(PWNED)'", '"$(PWNED)"', "x\\", "'",
    ";PWNED;", "\\';PWNED;'", "}$(PWNED){", "\nE\nPWNED\n", "a[$(PWNED)]", '"', "&&PWNED",
])  # fmt: skip


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(st.lists(AROUND, max_size=4), PAYLOADS), min_size=40, max_size=40))
def test_whatever_surrounds_a_value_no_shell_executes_it(
    cases: list[tuple[list[tuple[str, str]], str]],
) -> None:
    """Each script runs in one shell; a value that got out of its quotes prints ``RAN`` on descriptor 3."""
    scripts = []
    for around, item in cases:
        before, after = "".join(pair[0] for pair in around), "".join(pair[1] for pair in reversed(around))
        try:
            template = Template.parse(f"{before}a ${{{{ item }}}}{after}", shell=True)
            scripts.append(template.render({"item": item}))
        except (ExpressionError, EvaluationError):
            continue
    for shell in SHELLS:
        whole = "exec 3>&1; PWNED() { printf '\\nRAN\\n' >&3; }; a() { :; }; cat() { :; }\n"
        body = "".join(f'(eval "$S{n}") <&-\n' for n in range(len(scripts)))
        with TemporaryDirectory() as directory:  # some redirect into files of odd names
            done = subprocess.run(
                [shell, "-c", whole + body], capture_output=True, timeout=60, check=False, cwd=directory,
                env={"PATH": "/nonexistent"} | {f"S{n}": script for n, script in enumerate(scripts)},
            )  # fmt: skip
        assert b"RAN" not in done.stdout.split(b"\n"), scripts


WORDS = ["if", "then", "{", "!", "2", "0", "12", "A=b", "~", "root", "*", "a", "_", "HOME", "-1", "", "ll"]


@pytest.mark.parametrize("shell", SHELLS)
def test_no_value_is_a_word_of_the_shell(shell: str) -> None:
    """Reserved words, assignments, aliases, descriptors before a redirection, parts of names: all are data."""
    cases = [
        ("V ${{ item }}>&1", ""), ("V ${{ item }}2>&1", "2"), ("V ${{ item }}=x", "=x"), ("V ${{ item }}[a]", "[a]"),
        ("V ${{ item }}~", "~"), ("V x$NONE${{ item }}", ""), ("V ${{ item }}", ""),
    ]  # fmt: skip
    script = "alias ll='echo aliased'\nNONE=\n" + PRELUDE
    expected = []
    for text, after in cases:
        for word in WORDS:
            script += Template.parse(text, shell=True).render({"item": word}) + "\n"
            expected.append(f"{'x' if '$NONE' in text else ''}{word}{after}")
    assert run(shell, script).decode().split("\0")[:-1] == expected
    # As a command each is looked for, and not found, under its own name.
    for word in WORDS:
        line = Template.parse("${{ item }} 2>/dev/null", shell=True).render({"item": word})
        assert run(shell, f"{line}\necho $?\n") in (b"127\n", b"126\n"), word
