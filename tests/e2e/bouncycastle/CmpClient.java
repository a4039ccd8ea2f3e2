import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.cmp.CMPObjectIdentifiers;
import org.bouncycastle.asn1.cmp.CertOrEncCert;
import org.bouncycastle.asn1.cmp.CertRepMessage;
import org.bouncycastle.asn1.cmp.CertResponse;
import org.bouncycastle.asn1.cmp.CertifiedKeyPair;
import org.bouncycastle.asn1.cmp.ErrorMsgContent;
import org.bouncycastle.asn1.cmp.InfoTypeAndValue;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIHeader;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.cmp.RevDetails;
import org.bouncycastle.asn1.cmp.RevRepContent;
import org.bouncycastle.asn1.cmp.RevReqContent;
import org.bouncycastle.asn1.crmf.CertId;
import org.bouncycastle.asn1.crmf.CertReqMessages;
import org.bouncycastle.asn1.crmf.CertTemplateBuilder;
import org.bouncycastle.asn1.crmf.ProofOfPossession;
import org.bouncycastle.asn1.crmf.SubsequentMessage;
import org.bouncycastle.asn1.pkcs.PBKDF2Params;
import org.bouncycastle.asn1.pkcs.PBMAC1Params;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.cmp.CertificateConfirmationContentBuilder;
import org.bouncycastle.cert.cmp.GeneralPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessageBuilder;
import org.bouncycastle.cert.crmf.Control;
import org.bouncycastle.cert.crmf.PKMACBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcaCertificateRequestMessageBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcePKMACValuesCalculator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.operator.MacCalculator;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.PBEMacCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * A CMP client on Bouncy Castle for the tests: one transaction of ir, kur or rr, then it ends.
 *
 * <pre>java CmpClient COMMAND URL FOLDER [option=value]...</pre>
 *
 * ir and kur leave key.der (PKCS #8) and cert.der in FOLDER; kur and rr work on the ones there. Options:
 * protection (pbm, pbmac1 or signature), ref, secret, subject, trust (PEM of the CA certificates),
 * pvno (2 or 3), confirm (explicit or implicit), key (EC, RSA, or central: the server makes it), popo (encrCert,
 * or a signature), usage (bits of keyUsage beside digitalSignature). Each message type is printed as it passes, then the status.
 */
public final class CmpClient {
    private static final ASN1ObjectIdentifier OLD_CERT_ID = new ASN1ObjectIdentifier("1.3.6.1.5.5.7.5.1.5");
    private static final String[] BODY_NAMES = {
        "ir", "ip", "cr", "cp", "p10cr", "popdecc", "popdecr", "kur", "kup", "krr", "krp", "rr", "rp", "ccr", "ccp",
        "ckuann", "cann", "rann", "crlann", "pkiconf", "nested", "genm", "genp", "error", "certConf", "pollReq", "pollRep",
    };
    private static final SecureRandom RANDOM = new SecureRandom();

    private final URI url;
    private final Path folder;
    private final Map<String, String> options;
    private final byte[] transactionID = random();
    private byte[] serverNonce;

    private CmpClient(URI url, Path folder, Map<String, String> options) {
        this.url = url;
        this.folder = folder;
        this.options = options;
    }

    public static void main(String[] words) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        Map<String, String> options = new HashMap<>();
        for (String word : Arrays.copyOfRange(words, 3, words.length)) {
            String[] pair = word.split("=", 2);
            options.put(pair[0], pair[1]);
        }
        CmpClient client = new CmpClient(URI.create(words[1]), Path.of(words[2]), options);
        switch (words[0]) {
            case "ir" -> client.enrol(PKIBody.TYPE_INIT_REQ, new X500Name(options.get("subject")));
            case "kur" -> client.enrol(PKIBody.TYPE_KEY_UPDATE_REQ, client.certificate().getSubject());
            case "rr" -> client.revoke();
            default -> throw new IllegalArgumentException("no such command: " + words[0]);
        }
    }

    private void enrol(int type, X500Name subject) throws Exception {
        JcaCertificateRequestMessageBuilder request = new JcaCertificateRequestMessageBuilder(BigInteger.ZERO);
        request.setSubject(subject);
        KeyPair pair = generate();
        if (pair != null) {
            request.setPublicKey(pair.getPublic());
            prove(request, pair);
        }
        if (options.containsKey("usage")) {
            int usage = KeyUsage.digitalSignature | Integer.parseInt(options.get("usage"));
            request.addExtension(Extension.keyUsage, true, new KeyUsage(usage));
        }
        if (type == PKIBody.TYPE_KEY_UPDATE_REQ) {
            request.addControl(new OldCertificate(certificate()));
        }
        CertReqMessages messages = new CertReqMessages(request.build().toASN1Structure());
        PKIBody body = send(new PKIBody(type, messages), type + 1);
        CertResponse response = CertRepMessage.getInstance(body.getContent()).getResponse()[0];
        print(response.getStatus());
        CertifiedKeyPair given = response.getCertifiedKeyPair();
        CertOrEncCert cert = given.getCertOrEncCert();
        X509CertificateHolder issued = cert.getEncryptedCert() == null
            ? new X509CertificateHolder(cert.getCertificate().getX509v3PKCert())
            : Envelope.certificate(cert.getEncryptedCert(), pair.getPrivate());
        byte[] key = pair != null
            ? pair.getPrivate().getEncoded()
            : Envelope.privateKey(
                given.getPrivateKey(), protection().equals("signature") ? key() : null, secret(), trusted()).getEncoded();
        if (!implicit()) {
            PKIBody confirmation = new PKIBody(
                PKIBody.TYPE_CERT_CONFIRM,
                new CertificateConfirmationContentBuilder()
                    .addAcceptedCertificate(issued, BigInteger.ZERO)
                    .build(new JcaDigestCalculatorProviderBuilder().build())
                    .toASN1Structure());
            send(confirmation, PKIBody.TYPE_CONFIRM);
        }
        Files.write(folder.resolve("key.der"), key);
        Files.write(folder.resolve("cert.der"), issued.getEncoded());
    }

    /** The key pair to be certified; null where the server is to make it. */
    private KeyPair generate() throws GeneralSecurityException {
        String kind = options.getOrDefault("key", "EC");
        if (kind.equals("central")) {
            return null;
        }
        KeyPairGenerator generator = KeyPairGenerator.getInstance(kind);
        generator.initialize(kind.equals("RSA") ? 2048 : 256);
        return generator.generateKeyPair();
    }

    private void prove(JcaCertificateRequestMessageBuilder request, KeyPair pair) throws Exception {
        boolean rsa = pair.getPrivate().getAlgorithm().equals("RSA");
        if ("encrCert".equals(options.get("popo"))) {
            request.setProofOfPossessionSubsequentMessage(
                rsa ? ProofOfPossession.TYPE_KEY_ENCIPHERMENT : ProofOfPossession.TYPE_KEY_AGREEMENT,
                SubsequentMessage.encrCert);
        } else {
            request.setProofOfPossessionSigningKeySigner(
                new JcaContentSignerBuilder(rsa ? "SHA256withRSA" : "SHA256withECDSA").build(pair.getPrivate()));
        }
    }

    private void revoke() throws Exception {
        X509CertificateHolder certificate = certificate();
        CertTemplateBuilder template = new CertTemplateBuilder()
            .setIssuer(certificate.getIssuer())
            .setSerialNumber(new ASN1Integer(certificate.getSerialNumber()));
        Extension reason = new Extension(
            Extension.reasonCode, false, new DEROctetString(CRLReason.lookup(CRLReason.keyCompromise)));
        RevDetails details = new RevDetails(template.build(), new Extensions(reason));
        PKIBody body = send(
            new PKIBody(PKIBody.TYPE_REVOCATION_REQ, new RevReqContent(details)), PKIBody.TYPE_REVOCATION_REP);
        print(RevRepContent.getInstance(body.getContent()).getStatus()[0]);
    }

    /** Protect, send, and verify the answer, whose body must be of the type expected. */
    private PKIBody send(PKIBody body, int expected) throws Exception {
        byte[] nonce = random();
        System.out.println("sending " + BODY_NAMES[body.getType()]);
        byte[] answer = post(protect(body, nonce).toASN1Structure().getEncoded());
        GeneralPKIMessage message = new GeneralPKIMessage(answer);
        System.out.println("received " + BODY_NAMES[message.getBody().getType()]);
        if (message.getBody().getType() == PKIBody.TYPE_ERROR) {
            print(ErrorMsgContent.getInstance(message.getBody().getContent()).getPKIStatusInfo());
            System.exit(1);
        }
        PKIHeader header = message.getHeader();
        demand(message.getBody().getType() == expected, "the body type answers the request");
        demand(Arrays.equals(header.getTransactionID().getOctets(), transactionID), "the transactionID is ours");
        demand(Arrays.equals(header.getRecipNonce().getOctets(), nonce), "the recipNonce is our senderNonce");
        demand(message.hasProtection(), "the answer is protected");
        verify(new ProtectedPKIMessage(message));
        serverNonce = header.getSenderNonce().getOctets();
        return message.getBody();
    }

    private ProtectedPKIMessage protect(PKIBody body, byte[] nonce) throws Exception {
        boolean signed = protection().equals("signature");
        X500Name sender = signed ? certificate().getSubject() : new X500Name("CN=" + options.get("ref"));
        ProtectedPKIMessageBuilder builder = new ProtectedPKIMessageBuilder(
            Integer.parseInt(options.getOrDefault("pvno", "2")),
            new GeneralName(sender),
            new GeneralName(new X500Name(new org.bouncycastle.asn1.x500.RDN[0])));
        builder.setTransactionID(transactionID).setSenderNonce(nonce).setMessageTime(new Date()).setBody(body);
        if (serverNonce != null) {
            builder.setRecipNonce(serverNonce);
        }
        if (implicit()) {
            builder.addGeneralInfo(new InfoTypeAndValue(CMPObjectIdentifiers.it_implicitConfirm, DERNull.INSTANCE));
        }
        if (signed) {
            X509CertificateHolder own = certificate();
            byte[] value = own.getExtension(Extension.subjectKeyIdentifier).getExtnValue().getOctets();
            builder.setSenderKID(DEROctetString.getInstance(value).getOctets()).addCMPCertificate(own);
            return builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(key()));
        }
        builder.setSenderKID(options.get("ref").getBytes("US-ASCII"));
        if (protection().equals("pbmac1")) {
            return builder.build(new Pbmac1(random(), 10_000, secret()));
        }
        return builder.build(
            new PKMACBuilder(new JcePKMACValuesCalculator()).setIterationCount(1_000).build(secret()));
    }

    private void verify(ProtectedPKIMessage answer) throws Exception {
        if (!protection().equals("signature")) {
            PBEMacCalculatorProvider macs = protection().equals("pbmac1")
                ? Pbmac1.provider()
                : new PKMACBuilder(new JcePKMACValuesCalculator());
            demand(answer.verify(macs, secret()), "the MAC is right");
            return;
        }
        X509CertificateHolder signer = answer.getCertificates()[0];
        demand(answer.verify(new JcaContentVerifierProviderBuilder().build(signer)), "the signature is right");
        boolean trusted = false;
        for (X509Certificate one : trusted()) {
            X500Name name = X500Name.getInstance(one.getSubjectX500Principal().getEncoded());
            trusted |= name.equals(signer.getIssuer())
                && signer.isSignatureValid(new JcaContentVerifierProviderBuilder().build(one.getPublicKey()));
        }
        demand(trusted, "the CA issued the signer's certificate");
    }

    private List<X509Certificate> trusted() throws Exception {
        try (InputStream stream = Files.newInputStream(Path.of(options.get("trust")))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(stream).stream()
                .map(one -> (X509Certificate) one)
                .toList();
        }
    }

    private byte[] post(byte[] message) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(url)
            .header("Content-Type", "application/pkixcmp")
            .POST(HttpRequest.BodyPublishers.ofByteArray(message))
            .build();
        HttpResponse<byte[]> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray());
        demand(answer.statusCode() == 200, "HTTP status 200, not " + answer.statusCode());
        return answer.body();
    }

    private String protection() {
        return options.getOrDefault("protection", "pbm");
    }

    private boolean implicit() {
        return "implicit".equals(options.get("confirm"));
    }

    private char[] secret() {
        return options.get("secret").toCharArray();
    }

    private X509CertificateHolder certificate() throws IOException {
        return new X509CertificateHolder(Files.readAllBytes(folder.resolve("cert.der")));
    }

    private PrivateKey key() throws Exception {
        PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Files.readAllBytes(folder.resolve("key.der")));
        return KeyFactory.getInstance("EC").generatePrivate(encoded);
    }

    private static byte[] random() {
        byte[] bytes = new byte[16];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    private static void print(PKIStatusInfo info) {
        System.out.println("status " + info.getStatus());
        if (info.getFailInfo() != null) {
            System.out.println("failInfo " + info.getFailInfo());
        }
        if (info.getStatusString() != null) {
            System.out.println("text " + info.getStatusString().getStringAtUTF8(0).getString());
        }
    }

    private static void demand(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("it must hold that " + what);
        }
    }

    /**
     * PBMAC1 (RFC 8018, section 7.1): PBKDF2 and HMAC, both with SHA-256.
     *
     * Bouncy Castle's own calculator of 1.72 names PBES2 where the key derivation function stands.
     */
    private static final class Pbmac1 implements MacCalculator {
        private static final AlgorithmIdentifier HMAC_SHA256 =
            new AlgorithmIdentifier(PKCSObjectIdentifiers.id_hmacWithSHA256, DERNull.INSTANCE);
        private final AlgorithmIdentifier algorithm;
        private final Mac mac;
        private final ByteArrayOutputStream content = new ByteArrayOutputStream();

        Pbmac1(byte[] salt, int iterations, char[] password) throws GeneralSecurityException {
            PBKDF2Params derivation = new PBKDF2Params(salt, iterations, 32, HMAC_SHA256);
            algorithm = new AlgorithmIdentifier(
                PKCSObjectIdentifiers.id_PBMAC1,
                new PBMAC1Params(new AlgorithmIdentifier(PKCSObjectIdentifiers.id_PBKDF2, derivation), HMAC_SHA256));
            byte[] key = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256")
                .generateSecret(new PBEKeySpec(password, salt, iterations, 256))
                .getEncoded();
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
        }

        /** Makes the calculator that an answer's algorithm identifier describes. */
        static PBEMacCalculatorProvider provider() {
            return (algorithm, password) -> {
                PBMAC1Params parameters = PBMAC1Params.getInstance(algorithm.getParameters());
                PBKDF2Params derivation =
                    PBKDF2Params.getInstance(parameters.getKeyDerivationFunc().getParameters());
                try {
                    return new Pbmac1(derivation.getSalt(), derivation.getIterationCount().intValue(), password);
                } catch (GeneralSecurityException error) {
                    throw new OperatorCreationException(error.getMessage(), error);
                }
            };
        }

        @Override
        public AlgorithmIdentifier getAlgorithmIdentifier() {
            return algorithm;
        }

        @Override
        public OutputStream getOutputStream() {
            return content;
        }

        @Override
        public byte[] getMac() {
            return mac.doFinal(content.toByteArray());
        }

        @Override
        public GenericKey getKey() {
            return new GenericKey(algorithm, new byte[0]);
        }
    }

    /** The oldCertID control (RFC 4211, section 6.5). */
    private record OldCertificate(X509CertificateHolder certificate) implements Control {
        @Override
        public ASN1ObjectIdentifier getType() {
            return OLD_CERT_ID;
        }

        @Override
        public ASN1Encodable getValue() {
            return new CertId(new GeneralName(certificate.getIssuer()), certificate.getSerialNumber());
        }
    }
}
