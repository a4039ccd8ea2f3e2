/* The command line of cmpload. */
#ifndef ORDER_H
#define ORDER_H

#include "load.h"

/* Read the command line into `order`, load and make the keys; ends the program with a message if that fails. */
void order_read(struct order *order, int argc, char **argv);

#endif
