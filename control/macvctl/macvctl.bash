# SPDX-License-Identifier: BSD-3-Clause
# Completion of macvctl for bash. The candidates come from macvctl itself.

_macvctl() {
	local words line=${COMP_LINE:0:COMP_POINT}
	# Not COMP_WORDS: bash cuts those at the colons of a MAC address.
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	mapfile -t COMPREPLY < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _macvctl macvctl
