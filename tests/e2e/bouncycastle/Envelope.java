import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.EncryptedContentInfo;
import org.bouncycastle.asn1.cms.EnvelopedData;
import org.bouncycastle.asn1.cms.PasswordRecipientInfo;
import org.bouncycastle.asn1.cms.RecipientInfo;
import org.bouncycastle.asn1.crmf.EncryptedKey;
import org.bouncycastle.asn1.crmf.EncryptedValue;
import org.bouncycastle.asn1.pkcs.PBKDF2Params;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.crmf.EncryptedValueParser;
import org.bouncycastle.cert.crmf.jcajce.JceAsymmetricValueDecryptorGenerator;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.KeyTransRecipientInformation;
import org.bouncycastle.cms.PasswordRecipient;
import org.bouncycastle.cms.PasswordRecipientInformation;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JcePasswordEnvelopedRecipient;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/** What a client does with an EncryptedKey (RFC 4211, section 6.4): open it, and see who signed what is in it. */
final class Envelope {
    private static final KeyPurposeId CM_KGA = KeyPurposeId.getInstance(
        new org.bouncycastle.asn1.ASN1ObjectIdentifier("1.3.6.1.5.5.7.3.32"));

    private Envelope() {}

    /** The certificate that comes encrypted for its own key. */
    static X509CertificateHolder certificate(EncryptedKey encrypted, PrivateKey key) throws Exception {
        if (encrypted.isEncryptedValue()) {
            return new EncryptedValueParser(EncryptedValue.getInstance(encrypted.getValue()))
                .readCertificateHolder(new JceAsymmetricValueDecryptorGenerator(key).setProvider("BC"));
        }
        return new X509CertificateHolder(open(encrypted, key, null));
    }

    /** The private key that was made for the client, by an authority that one of the trusted CAs certified. */
    static PrivateKeyInfo privateKey(
            EncryptedKey encrypted, PrivateKey key, char[] secret, List<X509Certificate> trusted) throws Exception {
        byte[] content = open(encrypted, key, secret);
        CMSSignedData signed =
            new CMSSignedData(new ContentInfo(PKCSObjectIdentifiers.signedData, ASN1Primitive.fromByteArray(content)));
        SignerInformation signer = signed.getSignerInfos().iterator().next();
        @SuppressWarnings("unchecked")
        X509CertificateHolder authority =
            (X509CertificateHolder) signed.getCertificates().getMatches(signer.getSID()).iterator().next();
        demand(signer.verify(new JcaSimpleSignerInfoVerifierBuilder().build(authority)), "the key is signed");
        demand(
            ExtendedKeyUsage.fromExtensions(authority.getExtensions()).hasKeyPurposeId(CM_KGA),
            "its signer is a key generation authority");
        boolean certified = false;
        for (X509Certificate one : trusted) {
            certified |= Arrays.equals(
                    one.getSubjectX500Principal().getEncoded(), authority.getIssuer().getEncoded())
                && authority.isSignatureValid(new JcaContentVerifierProviderBuilder().build(one.getPublicKey()));
        }
        demand(certified, "the CA certified the authority");
        byte[] inside = (byte[]) signed.getSignedContent().getContent();
        // Under pvno 2 the key is alone, under pvno 3 in an AsymmetricKeyPackage.
        PrivateKeyInfo one = signed.getSignedContentTypeOID().equals(PKCSObjectIdentifiers.data.getId())
            ? PrivateKeyInfo.getInstance(inside)
            : PrivateKeyInfo.getInstance(ASN1Sequence.getInstance(inside).getObjectAt(0));
        // Without the public key beside it, as version 1 of PKCS #8 has it, which everybody reads.
        return new PrivateKeyInfo(one.getPrivateKeyAlgorithm(), one.parsePrivateKey());
    }

    private static byte[] open(EncryptedKey encrypted, PrivateKey key, char[] secret) throws Exception {
        demand(!encrypted.isEncryptedValue(), "it is an EnvelopedData");
        ASN1Encodable value = encrypted.getValue();
        EnvelopedData enveloped = EnvelopedData.getInstance(value);
        RecipientInfo first = RecipientInfo.getInstance(enveloped.getRecipientInfos().getObjectAt(0));
        if (first.getInfo() instanceof PasswordRecipientInfo password
                && !password.getKeyEncryptionAlgorithm().getAlgorithm().equals(PKCSObjectIdentifiers.id_alg_PWRI_KEK)) {
            return openWithPassword(enveloped.getEncryptedContentInfo(), password, secret);
        }
        CMSEnvelopedData parsed =
            new CMSEnvelopedData(new ContentInfo(PKCSObjectIdentifiers.envelopedData, enveloped));
        RecipientInformation recipient = parsed.getRecipientInfos().iterator().next();
        if (recipient instanceof PasswordRecipientInformation) {
            return recipient.getContent(
                new JcePasswordEnvelopedRecipient(secret).setProvider("BC").setPasswordConversionScheme(
                    PasswordRecipient.PKCS5_SCHEME2_UTF8));
        }
        return recipient.getContent(
            recipient instanceof KeyTransRecipientInformation
                ? new JceKeyTransEnvelopedRecipient(key).setProvider("BC")
                : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC"));
    }

    /** PBKDF2 and AES key wrap (RFC 9481, sections 4.3 and 4.4); Bouncy Castle itself knows id-alg-PWRI-KEK only. */
    private static byte[] openWithPassword(
            EncryptedContentInfo content, PasswordRecipientInfo recipient, char[] secret) throws Exception {
        PBKDF2Params derivation = PBKDF2Params.getInstance(recipient.getKeyDerivationAlgorithm().getParameters());
        SecretKey derived = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(
            new PBEKeySpec(secret, derivation.getSalt(), derivation.getIterationCount().intValue(), 256));
        Cipher unwrap = Cipher.getInstance("AESWrap", "BC");
        unwrap.init(Cipher.UNWRAP_MODE, new SecretKeySpec(derived.getEncoded(), "AES"));
        SecretKey key = (SecretKey) unwrap.unwrap(
            recipient.getEncryptedKey().getOctets(), "AES", Cipher.SECRET_KEY);
        byte[] iv = ASN1OctetString.getInstance(content.getContentEncryptionAlgorithm().getParameters()).getOctets();
        Cipher decrypt = Cipher.getInstance("AES/CBC/PKCS7Padding", "BC");
        decrypt.init(Cipher.DECRYPT_MODE, key, new IvParameterSpec(iv));
        return decrypt.doFinal(content.getEncryptedContent().getOctets());
    }

    private static void demand(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("it must hold that " + what);
        }
    }
}
