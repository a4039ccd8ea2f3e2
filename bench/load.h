/* What the parts of cmpload share: the order, one thread's state, and what a transaction took. */
#ifndef LOAD_H
#define LOAD_H

#include <netinet/in.h>
#include <openssl/cmp.h>
#include <stdbool.h>
#include <stddef.h>

enum { MAX_THREADS = 256, MAX_IDENTITIES = 256, MAX_TRANSACTIONS = 1000000, MAX_SECONDS = 3600 };
enum { ERROR_LENGTH = 400, MAX_ERRORS = 100 };
/* Tags of PKIBody (RFC 4210, section 5.1.2); libcrypto's header names requests for certificates only. */
enum { BODY_IP = 1, BODY_CP = 3, BODY_RR = 11, BODY_CERTCONF = 24 };

/* The order, as the command line gives it; the same for all threads, and not changed after the start. */
struct order {
    const char *host, *port, *path;
    struct sockaddr_storage address; /* of host and port, always loopback */
    socklen_t address_length;
    int command; /* the type of the request body: OSSL_CMP_IR, ..., BODY_RR */
    const char *command_name;
    int threads;
    long transactions;
    double seconds;      /* no transaction starts after so long */
    double rate;         /* transactions a second, in open loop; 0: as fast as answers come */
    const char *reference, *secret; /* PasswordBasedMac, or NULL: signature */
    EVP_PKEY *identity_keys[MAX_IDENTITIES]; /* for signatures; thread i uses i modulo the count */
    X509 *identity_certificates[MAX_IDENTITIES];
    int identities;
    X509_STORE *trusted;
    X509 *server_certificate;
    X509_NAME *subject, *recipient;
    EVP_PKEY **new_keys; /* what certificates are asked for, made before the start; used in turn */
    X509_REQ **requests; /* the same keys in PKCS #10 form, for p10cr */
    int new_key_count;
    bool keep_alive, no_delay, implicit_confirm, prepared;
};

/* How long it took, in seconds. */
struct timing {
    double transaction, confirmation;
};

struct client; /* one thread's way to the server */

/* A client for thread `index`, or NULL with a message in error[]. */
struct client *client_new(const struct order *order, int index, char error[ERROR_LENGTH]);
void client_free(struct client *client);
/* What must be there before transaction `number` can be timed, such as the certificate to revoke. */
bool client_prepare(struct client *client, long number, char error[ERROR_LENGTH]);
/* Transaction `number`, from the request to the last response. */
bool client_run(struct client *client, long number, struct timing *timing, char error[ERROR_LENGTH]);
/* The request that transaction `number` would send, in DER; the caller frees it. NULL on failure. */
unsigned char *client_request(struct client *client, long number, int *length, char error[ERROR_LENGTH]);

struct connection; /* a kept HTTP connection that sends what was made before */

struct connection *connection_new(const struct order *order, char error[ERROR_LENGTH]);
void connection_free(struct connection *connection);
/* POST a request and read the whole response; false unless it is a CMP message of type `expected`. */
bool connection_post(struct connection *connection, const unsigned char *request, int length, int expected,
                     struct timing *timing, char error[ERROR_LENGTH]);

double now(void); /* seconds of the monotonic clock */

#endif
