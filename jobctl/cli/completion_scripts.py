r"""The completion scripts. The copies in ``completions/`` are for packagers; a test keeps them the same.

They are our own rather than Typer's, for three reasons seen in bash 5.2 and zsh 5.9: bash splits words at
``:``, ``=`` and ``@``, so that ``name:X`` and ``@failed`` never completed; Typer's zsh protocol evaluates
text with job names in it; and behind ``--`` the shell's own completion of commands and files is wanted.
"""

from __future__ import annotations

BASH = r"""# bash completion for jobctl; written by: jobctl completion show bash
_jobctl() {
    local line=${COMP_LINE:0:COMP_POINT} words=() word blank index
    COMPREPLY=()
    # COMP_WORDS is split at : = @ too; what stands together on the line is one word.
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        blank=${line%%[![:blank:]]*}
        line=${line#"$blank"}
        if ((index == COMP_CWORD)); then word=$line; fi
        if [[ -n $blank || $index -eq 0 ]]; then
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        line=${line#"$word"}
    done
    local last=$((${#words[@]} - 1))
    for ((index = 1; index < last; index++)); do
        if [[ ${words[index]} == -- ]]; then
            if ((index + 1 == last)); then
                COMPREPLY=($(compgen -c -- "${words[last]}"))
            elif declare -F _command_offset >/dev/null; then
                for ((index = 1; index < COMP_CWORD; index++)); do
                    [[ ${COMP_WORDS[index]} == -- ]] && break
                done
                _command_offset $((index + 1))
            fi
            return 0
        fi
    done
    local current=${words[last]} IFS=$'\n'
    COMPREPLY=($(COMP_WORDS="${words[*]}" COMP_CWORD=$last _JOBCTL_COMPLETE=complete_bash \
        "${COMP_WORDS[0]/#\~/$HOME}" 2>/dev/null))
    # Of a word that readline splits only the last piece is replaced; a piece may begin with @.
    local piece=${current##*[:=]}
    if [[ $piece == *@* ]]; then piece=@${piece##*@}; fi
    local kept=${current%"$piece"}
    if [[ -n $kept ]]; then COMPREPLY=("${COMPREPLY[@]#"$kept"}"); fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]]; then compopt -o nospace; fi
    for index in "${!COMPREPLY[@]}"; do printf -v "COMPREPLY[index]" %q "${COMPREPLY[index]}"; done
    return 0
}
complete -o default -o nosort -F _jobctl jobctl
"""

ZSH = r"""#compdef jobctl
# zsh completion for jobctl; written by: jobctl completion show zsh
_jobctl() {
    local -a lines plain open
    local line word
    local -i separator=${words[(i)--]}
    if (( separator < CURRENT )); then
        shift $separator words
        (( CURRENT -= separator ))
        _normal
        return
    fi
    lines=("${(@f)$(_TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _TYPER_COMPLETE_FISH_ACTION=get-args \
        _JOBCTL_COMPLETE=complete_fish "${words[1]/#\~/$HOME}" 2>/dev/null)}")
    for line in $lines; do
        [[ -n $line ]] || continue
        word=${${line%%$'\t'*}//:/\\:}
        [[ $line == *$'\t'* ]] && word="$word:${line#*$'\t'}"
        if [[ ${line%%$'\t'*} == *: ]]; then open+=("$word"); else plain+=("$word"); fi
    done
    if (( ! $#plain && ! $#open )); then
        _files
        return
    fi
    _describe -V -t jobctl jobctl plain -- open -S ''
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _jobctl "$@"
else
    compdef _jobctl jobctl
fi
"""

FISH = r"""# fish completion for jobctl; written by: jobctl completion show fish
function __jobctl_behind_separator
    contains -- -- (commandline -opc)
end
function __jobctl_words
    set -lx _JOBCTL_COMPLETE complete_fish
    set -lx _TYPER_COMPLETE_FISH_ACTION get-args
    set -lx _TYPER_COMPLETE_ARGS (commandline -cp)
    set -l found (command jobctl 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
function __jobctl_command
    complete -C (commandline -cp | string replace -r '^.*? -- +' '')
end
complete --command jobctl --erase
complete --command jobctl --no-files --keep-order \
    --condition 'not __jobctl_behind_separator' --arguments '(__jobctl_words)'
complete --command jobctl --no-files \
    --condition __jobctl_behind_separator --arguments '(__jobctl_command)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""By shell."""

FILES = {"bash": "jobctl.bash", "zsh": "_jobctl", "fish": "jobctl.fish"}
"""Their names in ``completions/``."""
