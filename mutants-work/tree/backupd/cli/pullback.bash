# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for pullback; the program itself knows its words.
_pullback ()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verb='' i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --socket) i=$((i + 1)) ;;
        -*) ;;
        *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    if [[ $before == --* ]] &&
            { pullback --help; pullback --help "${verb:-run}"; } 2>/dev/null |
            grep -xE '  --[a-z-]+ (PATH|FILE|DIR)( .*)?' |
            awk '{ print $1 }' | grep -qxFe "$before"; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif test -z "$verb"; then
        mapfile -t COMPREPLY < <(compgen -W "$(pullback --list-verbs)
            --socket --json --help --version" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W \
            "$(pullback --list-options "$verb" 2>/dev/null)" -- "$word")
    elif [[ $verb != domain-add ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(pullback domain-list \
            2>/dev/null | awk 'NR > 2 { print $1 }')" -- "$word")
    fi
}
complete -F _pullback pullback
