use super::*;

fn read(raw: &str) -> Params {
    Params::read(raw).unwrap_or_else(|error| panic!("{raw}: {error}"))
}

fn refusal(raw: &str) -> String {
    match Params::read(raw) {
        Ok(_) => panic!("{raw} is taken"),
        Err(error) => error.message,
    }
}

#[test]
fn i_04_and_i_06_separators() {
    let params = read("tenantId=2&&accessKey=u?isOpen=0&tenantId=2&");
    let seen = ["tenantId", "accessKey", "isOpen"].map(|name| params.get(name));
    assert_eq!(seen, [Some("2"), Some("u"), Some("0")]);
    assert!(params.warnings.is_empty());
    assert_eq!(
        refusal("tenantId=2&tenantId=3"),
        "tenantId: given twice with different values"
    );
}

#[test]
fn i_05_splits_two_names_and_no_other() {
    let params = read("tenantId=2pageNumber=1&pageSize=5");
    assert_eq!(
        (params.get("tenantId"), params.get("pageNumber")),
        (Some("2"), Some("1"))
    );
    assert_eq!(params.warnings.len(), 1);
    for raw in [
        "tenantId=2accessKey=user1",
        "tenantId=2pageNumber=x",
        "tenantId=pageNumber=1",
        "tenantId=2pageNumber=1x=2",
    ] {
        let text = refusal(raw);
        assert!(
            text.starts_with("tenantId:") && !text.contains("user1"),
            "{text}"
        );
    }
    assert!(refusal("tenantId=2pageNumber=1&pageNumber=2").starts_with("pageNumber:"));
}

#[test]
fn i_30_blanks_of_a_secret_are_plus_signs() {
    for raw in [
        "secretKey=a+b/c==",
        "secretKey=a%2Bb%2Fc%3D%3D",
        "secretKey=a%20b/c==",
    ] {
        assert_eq!(read(raw).get("secretKey"), Some("a+b/c=="), "{raw}");
    }
    assert_eq!(read("key=a+b").get("key"), Some("a b"));
}

#[test]
fn pages_are_capped_and_allocate_nothing() {
    let paging = read("pageSize=1000000000&pageNumber=99999999999999999999999").paging();
    let paging = paging.expect("numbers");
    assert_eq!(paging.size as u64, PAGE_SIZE_MAX);
    assert_eq!(paging.cut(vec![1, 2, 3]), (3, Vec::new()));
    assert_eq!(
        read("pageNumber=2&pageSize=2")
            .paging()
            .expect("numbers")
            .cut(vec![1, 2, 3]),
        (3, vec![3])
    );
    for name in ["pageNumber", "pageSize"] {
        for bad in ["0", "-1", "x", "1.5"] {
            let error = read(&format!("{name}={bad}")).paging().expect_err(bad);
            assert!(error.message.starts_with(name), "{error}");
        }
    }
}
