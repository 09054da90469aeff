/*
 * plant.c - which fault is planted: none, unless a test says so.
 */
#include "ir/plant.h"

ir_plant ir_planted = IR_PLANT_NONE;
