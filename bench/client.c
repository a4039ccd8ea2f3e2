/* Transactions as libcrypto's CMP client makes them, one context a thread. */
#include "load.h"

#include <netinet/tcp.h>
#include <openssl/crmf.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct client {
    const struct order *order;
    int index;
    OSSL_CMP_CTX *context;
    double confirmation;     /* how long certConf took in the transaction that runs */
    bool capture;            /* keep the next request in `captured` rather than send it */
    unsigned char *captured;
    int captured_length;
    X509 *revocable; /* what the next rr revokes */
};

static _Thread_local char last_log[ERROR_LENGTH];

static int keep_log(const char *function, const char *file, int line, OSSL_CMP_severity level, const char *text) {
    (void)function;
    (void)file;
    (void)line;
    if (level <= OSSL_CMP_LOG_ERR)
        snprintf(last_log, sizeof last_log, "%s", text);
    return 1;
}

/* libcrypto sends head and body in two writes: without TCP_NODELAY the second waits for an acknowledgement. */
static BIO *set_no_delay(BIO *bio, void *argument, int connect, int detail) {
    int one = 1, fd = -1;
    (void)argument;
    (void)detail;
    if (connect && BIO_get_fd(bio, &fd) >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return bio;
}

static OSSL_CMP_MSG *transfer(OSSL_CMP_CTX *context, const OSSL_CMP_MSG *request) {
    struct client *client = OSSL_CMP_CTX_get_transfer_cb_arg(context);
    if (client->capture) {
        client->captured_length = i2d_OSSL_CMP_MSG(request, &client->captured);
        client->capture = false;
        return NULL;
    }
    double start = now();
    OSSL_CMP_MSG *response = OSSL_CMP_MSG_http_perform(context, request);
    if (OSSL_CMP_MSG_get_bodytype(request) == BODY_CERTCONF)
        client->confirmation = now() - start;
    return response;
}

static void explain(OSSL_CMP_CTX *context, const char *doing, char error[ERROR_LENGTH]) {
    char status[160] = "", queue[120] = "";
    OSSL_CMP_PKIFREETEXT *texts = OSSL_CMP_CTX_get0_statusString(context);
    if (texts != NULL && sk_ASN1_UTF8STRING_num(texts) > 0)
        snprintf(status, sizeof status, "%s", (const char *)ASN1_STRING_get0_data(sk_ASN1_UTF8STRING_value(texts, 0)));
    unsigned long code = ERR_peek_last_error();
    if (code != 0)
        ERR_error_string_n(code, queue, sizeof queue);
    snprintf(error, ERROR_LENGTH, "%s: status %d %s; %.100s %s", doing, OSSL_CMP_CTX_get_status(context), status,
             last_log, queue);
    ERR_clear_error();
    last_log[0] = '\0';
}

static bool identify(OSSL_CMP_CTX *context, EVP_PKEY *key, X509 *certificate) {
    return OSSL_CMP_CTX_set1_pkey(context, key) && OSSL_CMP_CTX_set1_cert(context, certificate);
}

static bool protect(struct client *client) {
    const struct order *order = client->order;
    if (order->reference != NULL)
        return OSSL_CMP_CTX_set1_referenceValue(client->context, (const unsigned char *)order->reference,
                                                (int)strlen(order->reference)) &&
               OSSL_CMP_CTX_set1_secretValue(client->context, (const unsigned char *)order->secret,
                                             (int)strlen(order->secret));
    int which = client->index % order->identities;
    if (!identify(client->context, order->identity_keys[which], order->identity_certificates[which]))
        return false;
    if (order->server_certificate != NULL)
        return OSSL_CMP_CTX_set1_srvCert(client->context, order->server_certificate);
    return X509_STORE_up_ref(order->trusted) && OSSL_CMP_CTX_set0_trustedStore(client->context, order->trusted);
}

static bool set_up(struct client *client) {
    const struct order *order = client->order;
    OSSL_CMP_CTX *context = client->context;
    return OSSL_CMP_CTX_set_log_cb(context, keep_log) &&
           OSSL_CMP_CTX_set_log_verbosity(context, OSSL_CMP_LOG_ERR) &&
           OSSL_CMP_CTX_set1_server(context, order->host) &&
           OSSL_CMP_CTX_set_serverPort(context, atoi(order->port)) &&
           OSSL_CMP_CTX_set1_serverPath(context, order->path) &&
           OSSL_CMP_CTX_set1_no_proxy(context, order->host) &&
           OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_KEEP_ALIVE, order->keep_alive) &&
           OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_MSG_TIMEOUT, 10) &&
           OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_IMPLICIT_CONFIRM, order->implicit_confirm) &&
           OSSL_CMP_CTX_set_option(context, OSSL_CMP_OPT_UNPROTECTED_ERRORS, 0) &&
           (!order->no_delay || OSSL_CMP_CTX_set_http_cb(context, set_no_delay)) &&
           OSSL_CMP_CTX_set_transfer_cb(context, transfer) && OSSL_CMP_CTX_set_transfer_cb_arg(context, client) &&
           (order->recipient == NULL || OSSL_CMP_CTX_set1_recipient(context, order->recipient)) && protect(client);
}

struct client *client_new(const struct order *order, int index, char error[ERROR_LENGTH]) {
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL || (client->context = OSSL_CMP_CTX_new(NULL, NULL)) == NULL) {
        snprintf(error, ERROR_LENGTH, "out of memory");
        free(client);
        return NULL;
    }
    client->order = order;
    client->index = index;
    if (!set_up(client)) {
        explain(client->context, "setting up the client", error);
        client_free(client);
        return NULL;
    }
    return client;
}

void client_free(struct client *client) {
    if (client == NULL)
        return;
    OSSL_CMP_CTX_free(client->context);
    X509_free(client->revocable);
    OPENSSL_free(client->captured);
    free(client);
}

/* Ask for a certificate: by `type`, for the key that is this transaction's turn. */
static bool enrol(struct client *client, int type, long number) {
    const struct order *order = client->order;
    OSSL_CMP_CTX *context = client->context;
    int which = (int)(number % order->new_key_count);
    if (!OSSL_CMP_CTX_reinit(context))
        return false;
    if (type == OSSL_CMP_P10CR) {
        if (!OSSL_CMP_CTX_set1_p10CSR(context, order->requests[which]))
            return false;
    } else {
        EVP_PKEY *key = order->new_keys[which];
        if (!EVP_PKEY_up_ref(key) || !OSSL_CMP_CTX_set0_newPkey(context, 1, key))
            return false;
        if (type != OSSL_CMP_KUR && !OSSL_CMP_CTX_set1_subjectName(context, order->subject))
            return false;
    }
    X509 *certificate = OSSL_CMP_exec_certreq(context, type, NULL);
    if (certificate == NULL)
        return false;
    /* The certificate that was updated is gone: the next update is signed with, and is of, the new one. */
    return type != OSSL_CMP_KUR || identify(context, order->new_keys[which], certificate);
}

bool client_prepare(struct client *client, long number, char error[ERROR_LENGTH]) {
    if (client->order->command != BODY_RR)
        return true;
    if (!enrol(client, OSSL_CMP_CR, number)) {
        explain(client->context, "enrolling a certificate to revoke", error);
        return false;
    }
    X509_free(client->revocable);
    client->revocable = OSSL_CMP_CTX_get0_newCert(client->context);
    return X509_up_ref(client->revocable);
}

static bool revoke(struct client *client) {
    return OSSL_CMP_CTX_reinit(client->context) && OSSL_CMP_CTX_set1_oldCert(client->context, client->revocable) &&
           OSSL_CMP_exec_RR_ses(client->context);
}

bool client_run(struct client *client, long number, struct timing *timing, char error[ERROR_LENGTH]) {
    int command = client->order->command;
    client->confirmation = -1;
    double start = now();
    bool good = command == BODY_RR ? revoke(client) : enrol(client, command, number);
    timing->transaction = now() - start;
    timing->confirmation = client->confirmation;
    if (!good)
        explain(client->context, client->order->command_name, error);
    return good;
}

unsigned char *client_request(struct client *client, long number, int *length, char error[ERROR_LENGTH]) {
    client->capture = true;
    enrol(client, client->order->command, number); /* fails, as nothing is sent */
    unsigned char *request = client->captured;
    *length = client->captured_length;
    client->captured = NULL;
    if (client->capture || request == NULL || *length <= 0) {
        explain(client->context, "making a request", error);
        return NULL;
    }
    ERR_clear_error();
    return request;
}
