/* cmpload: a load generator for CMP servers on libcrypto's own CMP client.
 *
 * Threads take transaction numbers in turn, carry the transactions out, and note how long each took. With
 * --rate, transaction i is due at i/R seconds: if no thread is free then, its latency counts from when it was
 * due, so that a server that stalls cannot hide behind a client that waits for it. */
#include "load.h"
#include "order.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct prepared {
    unsigned char *request;
    int length;
};

/* One run: what threads share, and what they found. */
struct run {
    const struct order *order;
    double start;
    atomic_long next;
    struct prepared *prepared;
    double *transactions, *confirmations; /* seconds; each thread writes to slots of its own */
    atomic_long transaction_count, confirmation_count, errors;
    pthread_mutex_t lock;
    char first_error[ERROR_LENGTH];
};

struct thread {
    struct run *run;
    int index;
    pthread_t id;
    struct client *client;
    struct connection *connection;
};

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void note_error(struct run *run, const char *error) {
    pthread_mutex_lock(&run->lock);
    if (run->first_error[0] == '\0')
        snprintf(run->first_error, sizeof run->first_error, "%s", error);
    pthread_mutex_unlock(&run->lock);
    atomic_fetch_add(&run->errors, 1);
}

/* Wait until transaction `number` is due; gives how late it starts, in seconds. */
static double wait_until_due(const struct run *run, long number) {
    if (run->order->rate <= 0)
        return 0;
    double due = run->start + (double)number / run->order->rate;
    double ahead = due - now();
    if (ahead > 0) {
        struct timespec pause = {(time_t)ahead, (long)((ahead - (double)(time_t)ahead) * 1e9)};
        nanosleep(&pause, NULL);
    }
    return now() - due;
}

static bool carry_out(struct thread *thread, long number, struct timing *timing, char error[ERROR_LENGTH]) {
    struct run *run = thread->run;
    if (thread->connection == NULL)
        return client_run(thread->client, number, timing, error);
    struct prepared *prepared = &run->prepared[number];
    /* The response to ir (0) is ip (1), to cr (2) cp (3), to p10cr (4) cp (3). */
    int expected = run->order->command == OSSL_CMP_IR ? BODY_IP : BODY_CP;
    return connection_post(thread->connection, prepared->request, prepared->length, expected, timing, error);
}

static void *work(void *argument) {
    struct thread *thread = argument;
    struct run *run = thread->run;
    char error[ERROR_LENGTH];
    for (long number; (number = atomic_fetch_add(&run->next, 1)) < run->order->transactions;) {
        struct timing timing;
        if (now() - run->start > run->order->seconds || run->errors >= MAX_ERRORS)
            break;
        if (!client_prepare(thread->client, number, error)) {
            note_error(run, error);
            continue;
        }
        double late = wait_until_due(run, number);
        if (!carry_out(thread, number, &timing, error)) {
            note_error(run, error);
            if (thread->connection != NULL)
                break; /* it is out of step with the server */
            continue;
        }
        run->transactions[atomic_fetch_add(&run->transaction_count, 1)] = timing.transaction + late;
        if (timing.confirmation >= 0)
            run->confirmations[atomic_fetch_add(&run->confirmation_count, 1)] = timing.confirmation;
    }
    return NULL;
}

static bool prepare_requests(struct run *run, struct client *client, char error[ERROR_LENGTH]) {
    run->prepared = calloc((size_t)run->order->transactions, sizeof *run->prepared);
    for (long i = 0; i < run->order->transactions; i++) {
        run->prepared[i].request = client_request(client, i, &run->prepared[i].length, error);
        if (run->prepared[i].request == NULL)
            return false;
    }
    return true;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print_latencies(const char *name, double *seconds, long count) {
    if (count == 0)
        return;
    qsort(seconds, (size_t)count, sizeof *seconds, ascending);
    printf(", \"%s\": {\"min\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name,
           seconds[0] * 1e3, seconds[count / 2] * 1e3, seconds[count * 9 / 10] * 1e3, seconds[count * 99 / 100] * 1e3,
           seconds[count - 1] * 1e3);
}

static void print_string(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static double own_cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(struct run *run, double elapsed, double cpu) {
    long done = run->transaction_count;
    printf("{\"command\": \"%s\", \"threads\": %d, \"transactions\": %ld, \"errors\": %ld, \"seconds\": %.4f, "
           "\"rate\": %.2f, \"client_cpu_ms\": %.4f",
           run->order->command_name, run->order->threads, done, run->errors, elapsed, (double)done / elapsed,
           done > 0 ? cpu * 1e3 / (double)done : 0.0);
    print_latencies("latency_ms", run->transactions, done);
    print_latencies("certconf_ms", run->confirmations, run->confirmation_count);
    if (run->errors > 0) {
        printf(", \"first_error\": ");
        print_string(run->first_error);
    }
    printf("}\n");
}

static void fatal(const char *error) {
    fprintf(stderr, "cmpload: %s\n", error);
    exit(1);
}

int main(int argc, char **argv) {
    static struct order order;
    static struct thread threads[MAX_THREADS];
    struct run run = {.order = &order, .lock = PTHREAD_MUTEX_INITIALIZER};
    char error[ERROR_LENGTH];

    order_read(&order, argc, argv);
    run.transactions = calloc((size_t)order.transactions, sizeof(double));
    run.confirmations = calloc((size_t)order.transactions, sizeof(double));
    if (run.transactions == NULL || run.confirmations == NULL)
        fatal("out of memory");
    /* libcrypto tries a refused connection again and again: see first whether there is a server. */
    struct connection *probe = connection_new(&order, error);
    if (probe == NULL)
        fatal(error);
    connection_free(probe);
    for (int i = 0; i < order.threads; i++) {
        threads[i].run = &run;
        threads[i].index = i;
        threads[i].client = client_new(&order, i, error);
        if (threads[i].client == NULL)
            fatal(error);
    }
    if (order.prepared) {
        if (!prepare_requests(&run, threads[0].client, error))
            fatal(error);
        for (int i = 0; i < order.threads; i++)
            if ((threads[i].connection = connection_new(&order, error)) == NULL)
                fatal(error);
    }

    double cpu = own_cpu();
    run.start = now();
    for (int i = 0; i < order.threads; i++)
        if (pthread_create(&threads[i].id, NULL, work, &threads[i]) != 0)
            fatal("cannot start a thread");
    for (int i = 0; i < order.threads; i++)
        pthread_join(threads[i].id, NULL);
    double elapsed = now() - run.start;
    report(&run, elapsed, own_cpu() - cpu);

    for (int i = 0; i < order.threads; i++) {
        client_free(threads[i].client);
        connection_free(threads[i].connection);
    }
    return run.errors > 0;
}
