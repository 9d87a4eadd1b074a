"""`oracle`: the command line of the host."""

from oracle.cli import main

if __name__ == "__main__":
    main()
