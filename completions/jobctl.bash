# bash completion for jobctl; written by: jobctl completion show bash
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
