//! Certificates of an authority that only a test knows.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// What signs a test's certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Writes its own certificate, `ca.pem`.
    pub(crate) fn write(&self, folder: &Path) {
        fs::write(folder.join("ca.pem"), self.0.pem()).unwrap();
    }

    /// Writes a certificate for this machine, `NAME.pem` and `NAME.key`, valid from 2019 on.
    pub(crate) fn issue(&self, folder: &Path, name: &str, until_year: i32) {
        let machine = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(machine).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
