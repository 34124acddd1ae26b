//! Two processes say hello: run it in two terminals, `hello send` and `hello recv`, in either order; without
//! an argument it does both by itself.

use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("send") => send("hello"),
        Some("recv") => recv("hello"),
        Some(name) => send(name),
        None => {
            let name = format!("hello-{}", std::process::id());
            let mut sender = Command::new(std::env::current_exe()?).arg(&name).spawn()?;
            recv(&name)?;
            sender.wait()?;
            Ok(())
        }
    }
}

fn send(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut tx = ringway::spsc::producer(name)?;
    tx.send(b"hello")?;
    Ok(())
}

fn recv(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut rx = ringway::spsc::consumer(name)?;
    let message = rx.recv()?;
    println!("{}", String::from_utf8_lossy(&message));
    Ok(())
}
