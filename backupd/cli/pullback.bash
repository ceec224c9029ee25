# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for pullback; the program itself knows its words.
_pullback ()
{
    local word=${COMP_WORDS[COMP_CWORD]}
    mapfile -t COMPREPLY < <(pullback --complete \
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    if [[ ${COMPREPLY[0]-} == :files ]]; then
        # bash has made a word of the "=" in "--option=FILE".
        test "$word" != = || word=
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -F _pullback pullback
