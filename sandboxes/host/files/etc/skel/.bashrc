# ~/.bashrc: executed by bash for interactive shells.
export HISTCONTROL=ignoreboth
alias ll='ls -l'
