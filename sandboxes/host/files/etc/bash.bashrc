# system-wide .bashrc
