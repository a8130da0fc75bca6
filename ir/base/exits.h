// ir/base/exits.h -- exit codes of both programs (those of sysexits.h where one fits).
#ifndef IR_BASE_EXITS_H
#define IR_BASE_EXITS_H

enum {
    EXIT_OK = 0,
    EXIT_CHECK = 1,          // a check or comparison failed
    EXIT_BAD_USAGE = 64,     // wrong command line
    EXIT_BAD_INPUT = 65,     // YAML, IR text, checkpoint or data file
    EXIT_MISSING = 69,       // a GPU, library or file that is needed
    EXIT_BUG = 70,           // our bug
    EXIT_SYSTEM = 71,        // out of memory or another system limit
    EXIT_CANNOT_CREATE = 73, // an output cannot be created
    EXIT_IO = 74,            // reading or writing failed
    EXIT_STOPPED = 75,       // stopped by a signal; resume
    EXIT_IN_USE = 78,        // the run folder is in use
};

#endif
