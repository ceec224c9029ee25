#compdef pullback
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion for pullback; the program itself knows its words.
local -a said
said=("${(@f)$(pullback --complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
if [[ $said[1] == :files ]]; then
    [[ $PREFIX != --*=* ]] || compset -P '*='
    _files
else
    compadd -- "${(@)said:#}"
fi
