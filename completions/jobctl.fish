# fish completion for jobctl; written by: jobctl completion show fish
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
