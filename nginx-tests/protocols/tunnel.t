# Tunnels: CONNECT in a location with tunnel_pass, available in nginx since 1.31. The session is read from the request
# and set in the response; the server at the other end sees neither.
#
# The servers, on 127.0.0.1:1991 and 1992, are played by the test; 1999 has no listener.

use Sticky;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => <<'_EOC_' . ($block->http_config // ''));
    upstream u      { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain; }
    upstream hiding { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky cookie=hidden hash=plain option=indirect; }
    upstream dead   { server 127.0.0.1:1999; server 127.0.0.1:1992; session_sticky cookie=dead hash=plain; }
    upstream strict { server 127.0.0.1:1999; server 127.0.0.1:1992; session_sticky cookie=strict hash=plain fallback=off; }
_EOC_
    $block->set_value(no_error_log => "[warn]\n[alert]\n[crit]\n[emerg]\n")
        if !defined $block->no_error_log;
});

# A client requests a tunnel.
sub ask_for_tunnel {
    my ($cookie) = @_;
    $cookie = defined $cookie ? "Cookie: $cookie\r\n" : '';
    return say_to_nginx("CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n$cookie\r\n");
}

# Checks that data passes through the tunnel both ways, and nothing else does.
sub talks {
    my ($asked, $server, $set, $what) = @_;
    my $header = read_until($asked, qr/\r\n\r\n/);
    equals(status($header), '200', "$what: the tunnel is established");
    equals(set($header), $set, "$what: the cookie that is set");
    print $asked "GET / HTTP/1.1\r\n\r\n";
    my $held = taken($server);
    equals(request_of($held), "GET / HTTP/1.1\r\n\r\n", "$what: the server gets only the data in the tunnel");
    print $held "done\n";
    equals(read_until($asked, qr/\n/), "done\n", "$what: the client gets the server's data");
    close $_ for $held, $asked;
}

run_tests();

__DATA__

=== a first visit gets a cookie, which selects the server of the next tunnels
--- config
location / { tunnel_pass u; }
--- client
my @servers = (serve(1991), serve(1992));
talks(ask_for_tunnel(), $servers[0], 'route=127.0.0.1:1991; Path=/', 'a first visit');
for my $number (1, 1, 0, 1) {
    talks(ask_for_tunnel('a=b; route=127.0.0.1:199' . ($number + 1)), $servers[$number], '', 'a session');
}
--- skip_nginx: 22: < 1.31.0



=== option=indirect: there is nothing to hide
--- config
location / { tunnel_pass hiding; }
--- client
my @servers = (serve(1991), serve(1992));
talks(ask_for_tunnel(), $servers[0], 'hidden=127.0.0.1:1991; Path=/', 'a first visit');
talks(ask_for_tunnel('hidden=127.0.0.1:1992'), $servers[1], '', 'a session');
--- skip_nginx: 10: < 1.31.0



=== an unreachable server: the tunnel and the session move to another one, and with fallback=off to none
--- config
set $upstream dead;
if ($http_cookie ~ strict) { set $upstream strict; }
location / { tunnel_pass $upstream; }
--- client
my $server = serve(1992);
talks(ask_for_tunnel('dead=127.0.0.1:1999'), $server, 'dead=127.0.0.1:1992; Path=/', 'fallback=on');
my $refused = read_until(ask_for_tunnel('strict=127.0.0.1:1999'), qr/<\/html>/);
equals(status($refused) . set($refused), '502', 'fallback=off: no tunnel');
--- no_error_log
[alert]
[crit]
--- skip_nginx: 7: < 1.31.0



=== upstreams with one cookie and different servers in one server block, used by tunnel_pass and proxy_pass: [warn]
--- http_config
upstream other { server 127.0.0.1:1993; session_sticky hash=plain; }
--- config
location / { tunnel_pass u; }
location /proxy { proxy_pass http://other; }
--- error_log
cookie "route" of upstream "other" is also that of upstream "u"
--- no_error_log
[alert]
[crit]
--- skip_nginx: 4: < 1.31.0
