/**
 * Completion scripts, by shell. The candidates come from yargs, which knows commands, options and choices. Its own
 * scripts detect the login shell in place of the calling one, and hide files in fish. These scripts offer options only
 * after a dash, and paths otherwise.
 */
export const COMPLETION_SCRIPTS = {
  bash: `# bash completion for mtl: mtl completion bash >> ~/.bashrc
_mtl() {
  local IFS=$'\\n' current="\${COMP_WORDS[COMP_CWORD]}" found
  found="$(SHELL=bash mtl --get-yargs-completions "\${COMP_WORDS[@]:0:COMP_CWORD+1}" 2>/dev/null)"
  [[ $current == -* ]] || found="$(grep -v '^-' <<< "$found")"
  COMPREPLY=($(compgen -W "$found" -- "$current"))
}
complete -o bashdefault -o default -F _mtl mtl
`,
  zsh: `#compdef mtl
# zsh completion for mtl: mtl completion zsh >> ~/.zshrc, or save as _mtl in a directory of $fpath
_mtl() {
  local -a found
  found=("\${(@f)$(SHELL=zsh mtl --get-yargs-completions "\${(@)words[1,CURRENT]}" 2>/dev/null)}")
  [[ $PREFIX == -* ]] || found=("\${(@)found:#-*}")
  found=("\${(@)found:#}")
  (( $#found )) && _describe mtl found || _files
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _mtl "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _mtl mtl
fi
`,
  fish: `# fish completion for mtl: mtl completion fish > ~/.config/fish/completions/mtl.fish
function __mtl_complete
    set -l current (commandline -ct)
    set -l found (SHELL=fish mtl --get-yargs-completions (commandline -opc) "$current" 2>/dev/null)
    if string match -q -- '-*' "$current"
        printf '%s\\n' $found
    else
        string match -v -- '-*' $found
    end
end
complete -c mtl -n 'test (count (commandline -opc)) -eq 1' -f
complete -c mtl -a '(__mtl_complete)'
`,
} as const;
