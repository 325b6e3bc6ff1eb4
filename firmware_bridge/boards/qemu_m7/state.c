/* Nothing but a front end's state: the size of this object's variables is what the caller of the core spends. */
#include "frontend.h"

extern EserFrontend state;
EserFrontend state;
