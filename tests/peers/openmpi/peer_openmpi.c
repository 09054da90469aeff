/*
 * peer_openmpi.c - what bench_cluster's workers exchange, by MPI_Allreduce over
 * buckets of `bucket` bytes, or an MPI_Barrier: for each number on the standard
 * input so many steps, and the seconds of one.
 *
 *   mpirun -n WORKERS peer_openmpi sum|barrier BYTES BUCKET
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int next_steps(int rank)
{
    char line[64];
    int steps = 0;
    if (rank == 0 && fgets(line, sizeof line, stdin))
        steps = atoi(line);
    MPI_Bcast(&steps, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return steps;
}

static void take_step(int barrier, float *block, long floats, long bucket)
{
    if (barrier) {
        MPI_Barrier(MPI_COMM_WORLD);
        return;
    }
    for (long at = 0; at < floats; at += bucket) {
        long count = floats - at < bucket ? floats - at : bucket;
        MPI_Allreduce(MPI_IN_PLACE, block + at, (int)count, MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
    }
}

/* Those who may be stopped between turns: ranks wait by spinning. */
static void say_ready(int rank, int count)
{
    int own = (int)getpid(), *all = malloc((size_t)count * sizeof *all);
    MPI_Gather(&own, 1, MPI_INT, all, 1, MPI_INT, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        printf("ready");
        for (int i = 0; i < count; i++)
            printf(" %d", all[i]);
        printf("\n");
        fflush(stdout);
    }
    free(all);
}

int main(int argc, char **argv)
{
    int rank, count, steps;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    if (argc != 4)
        MPI_Abort(MPI_COMM_WORLD, 2);
    int barrier = strcmp(argv[1], "barrier") == 0;
    long floats = atol(argv[2]) / 4, bucket = atol(argv[3]) / 4;
    float *block = calloc((size_t)floats + 1, sizeof *block);
    say_ready(rank, count);
    while ((steps = next_steps(rank)) > 0) {
        double begin = MPI_Wtime();
        for (int i = 0; i < steps; i++)
            take_step(barrier, block, floats, bucket);
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0)
            printf("%.9f\n", (MPI_Wtime() - begin) / steps);
        fflush(stdout);
    }
    free(block);
    MPI_Finalize();
    return 0;
}
